#pragma once

#include <memory>

#include "backend.h"

namespace lockstep {

class Device;
struct Buffer;

// Scratch memory that the graphs of a pool share: a bump allocator over one buffer. A key's warm-up takes what it needs and
// grows the buffer; its capture, after a reset, takes the same again without allocating.
// Keys come largest first, so the first one reserves memory for all.
struct Pool {
  explicit Pool(Device& device);

  // Before each warm-up and each capture of a key, and before an eager step: everything may be taken again.
  void reset() { used = 0; }
  // Takes `bytes` of `buffer` and returns where they begin, 256-byte aligned. Throws ERR_DEVICE_CAPTURE where that would
  // allocate in a capture, ERR_DEVICE_MEMORY.
  size_t take(size_t bytes);
  // Throws as Buffer::dispose() does. A later take() starts a new buffer.
  void dispose();
  // Throws ERR_DEVICE_BUSY where a graph of the pool may still run on another stream than `stream`.
  void require_free(int32_t stream);
  void launched(int32_t stream);
  // Reserved bytes that are not yet attributed to a graph.
  size_t take_growth();

  std::shared_ptr<Device> device;
  int32_t id;
  // Null until something is taken. A larger one replaces it; graphs keep the one whose address they hold.
  std::shared_ptr<Buffer> buffer;
  size_t used = 0;
  // Peak use, in bytes.
  size_t reserved = 0;

 private:
  size_t accounted_ = 0;
  // Where the last graph was launched; 0 for nowhere. A mark after it is made once another stream asks: a step's launch needs none.
  int32_t last_stream_ = 0;
  std::shared_ptr<Mark> last_;
};

}  // namespace lockstep
