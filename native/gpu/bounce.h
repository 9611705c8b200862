#pragma once

#include <vector>

#include "memory.h"

namespace lockstep {

// Pinned memory of a stream for what the driver must not read or write where it lies: lists of edits, and an arena that is not
// pinned. It is handed out piece after piece, in chunks that are used again once the stream is past them.
class Bounce {
 public:
  struct Piece {
    std::byte* host;
    // Where kernels see it.
    uint64_t device;
  };

  // A piece of `bytes`, in use until mark `mark` is reached; `reached` is the last that was.
  Piece take(const std::shared_ptr<GpuDevice>& device, size_t bytes, uint64_t mark, uint64_t reached);
  size_t chunks() const { return chunks_.size(); }

 private:
  struct Chunk {
    std::unique_ptr<GpuStaging> memory;
    size_t used;
    uint64_t mark;
  };

  // The one that pieces are taken from is the last.
  std::vector<Chunk> chunks_;
};

}  // namespace lockstep
