#pragma once

#include <memory>
#include <vector>

#include "account.h"
#include "backend.h"

namespace lockstep {

class Device;

// Streams, by id, on which an object was used.
struct Uses {
  void add(int32_t stream);
  void add(const Uses& other);

  std::vector<int32_t> streams;
};

// Resources without references that the device may still use. V8 finalizes JS objects at any time, also in the middle of a
// capture, where a driver refuses to free. So released resources are put here, and freed outside captures once each stream
// that used them has reached a mark after their last use.
class RetireList {
 public:
  void add(std::unique_ptr<Resource> resource, Charge charge, Uses uses);
  // Frees what no stream uses any more. Only outside captures.
  void empty(Device& device);
  // Frees everything, after every stream is joined.
  void clear() { entries_.clear(); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    // Bytes returned to the account after the resource is freed.
    Charge charge;
    std::unique_ptr<Resource> resource;
    Uses uses;
    // One mark per stream, made when the list is first emptied after the entry was added.
    std::vector<std::shared_ptr<Mark>> marks;
    bool marked = false;
  };

  std::vector<Entry> entries_;
};

}  // namespace lockstep
