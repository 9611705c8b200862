#pragma once

#include <memory>
#include <unordered_set>
#include <vector>

#include "backend.h"
#include "retire.h"

namespace lockstep {

class Device;

// A piece of staging memory in use. When it goes, its memory is used again once the streams of `uses` are past it.
struct StagingPiece {
  StagingPiece(Device& device, std::unique_ptr<Staging> memory, size_t bytes);
  ~StagingPiece();

  std::byte* host() const { return memory_->host; }

  // Bytes asked for; the memory may be larger.
  const size_t bytes;
  Uses uses;

 private:
  friend class StagingPool;

  const std::shared_ptr<Device> device_;
  // Null once the device has ended.
  std::unique_ptr<Staging> memory_;
};

// Staging memory of a device, in pieces of a power of two bytes that are used again: pinning costs more than most copies.
class StagingPool {
 public:
  // A piece of at least `bytes`. Throws ERR_DEVICE_MEMORY.
  std::shared_ptr<StagingPiece> take(Device& device, size_t bytes);
  void give_back(Device& device, std::unique_ptr<Staging> memory, Uses uses);
  // Frees all of it, pieces in use included: their streams are joined.
  void clear();

 private:
  struct Entry {
    std::unique_ptr<Staging> memory;
    // Streams that may still use it, then their marks; neither when it is free.
    Uses uses;
    std::vector<std::shared_ptr<Mark>> marks;
  };

  // Turns its uses into marks, where no stream captures.
  void mark(Device& device, Entry& entry);
  bool is_free(Device& device, Entry& entry);

  friend struct StagingPiece;

  std::unordered_set<StagingPiece*> in_use_;
  // Returned pieces, the least recently returned first.
  std::vector<Entry> entries_;
  size_t held_ = 0;
};

}  // namespace lockstep
