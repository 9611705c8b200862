#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "core/backend.h"

namespace lockstep {

// The captures under way on a host device. As a driver does, it refuses to allocate in one, and a capture in which something
// was freed is lost: core/ prevents both, and a case that it misses fails here and not first on a GPU. Only the
// device's JS thread uses it.
class HostCaptures {
 public:
  void begin() { under_way_++; }
  void end() { under_way_--; }
  // Throws ERR_DEVICE_CAPTURE in a capture, which is lost by it.
  void require_none(const char* what);
  // Loses the captures under way, since a destructor cannot refuse.
  void freed() {
    if (under_way_ > 0) violations_++;
  }
  // What to compare at the end of a capture with its begin.
  uint64_t violations() const { return violations_; }

 private:
  int32_t under_way_ = 0;
  uint64_t violations_ = 0;
};

// A memory, module or graph of the host device: its destruction is noted.
template <typename Base>
struct HostResource : Base {
  explicit HostResource(std::shared_ptr<HostCaptures> captures) : captures(std::move(captures)) {}
  ~HostResource() override { captures->freed(); }
  const std::shared_ptr<HostCaptures> captures;
};

}  // namespace lockstep
