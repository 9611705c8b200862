#pragma once

#include <memory>
#include <vector>

#include "account.h"
#include "backend.h"

namespace lockstep {

class Device;

// Streams, by id, that were given work with an object.
struct Uses {
  void add(int32_t stream);
  void add(const Uses& other);

  std::vector<int32_t> streams;
};

// What nobody holds any more and the device may still use. V8 finalizes JS objects whenever it likes, in the middle of a
// capture too, where a driver refuses to free: so nothing is freed where it is let go. It comes here, and goes outside
// captures, once each stream that used it has come to a mark after its last use.
class RetireList {
 public:
  void add(std::unique_ptr<Resource> resource, Charge charge, Uses uses);
  // Frees what no stream uses any more. Only outside captures.
  void empty(Device& device);
  // Frees all: every stream is joined.
  void clear() { entries_.clear(); }
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    // Given back after the resource is freed.
    Charge charge;
    std::unique_ptr<Resource> resource;
    Uses uses;
    // One a stream, made when the list is first emptied after the entry came.
    std::vector<std::shared_ptr<Mark>> marks;
    bool marked = false;
  };

  std::vector<Entry> entries_;
};

}  // namespace lockstep
