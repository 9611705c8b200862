#pragma once

#include <memory>
#include <vector>

#include "device.h"

namespace lockstep {

// One capture under way: the stream that began it and those that joined by waiting for an event recorded in it.
// The rules are CUDA's: every stream that joined is waited for before the end, and nothing outside is waited for.
struct Capture {
  struct Member {
    Stream* stream;
    uint64_t operations;
    // Operations that another member has waited for.
    uint64_t waited;
  };

  explicit Capture(Stream& origin);
  ~Capture();

  Member& member(const Stream& stream);
  void join(Stream& stream);
  void bake(const std::shared_ptr<Buffer>& buffer);
  // The first stream whose last operation nobody waited for, or null.
  const Stream* unjoined() const;
  // Every member leaves; what was recorded is lost unless the backend has handed it over.
  void end();

  bool ended = false;
  std::vector<Member> members;
  std::vector<std::shared_ptr<Buffer>> baked;
};

}  // namespace lockstep
