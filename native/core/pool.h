#pragma once

#include <memory>

#include "backend.h"

namespace lockstep {

class Device;
struct Buffer;

// Scratch memory that the graphs of a pool share: a bump allocator over one buffer. A key's warm-up takes what it needs and
// lets the buffer grow; its capture, after a reset, takes the same again and finds it there, so that nothing is allocated in a
// capture. Keys come largest first, so that the first one reserves for all.
struct Pool {
  explicit Pool(Device& device);

  // Before each warm-up and each capture of a key, and before an eager step: everything may be taken again.
  void reset() { used = 0; }
  // Takes `bytes` of `buffer` and returns where they begin, 256-byte aligned. Throws ERR_DEVICE_CAPTURE where that would
  // allocate in a capture, ERR_DEVICE_MEMORY.
  size_t take(size_t bytes);
  // Throws as Buffer::dispose() does. What is taken after starts a buffer of its own.
  void dispose();
  // Throws ERR_DEVICE_BUSY where a graph of the pool may still run on another stream than `stream`.
  void require_free(int32_t stream) const;
  void launched(int32_t stream, std::shared_ptr<Mark> mark);
  // Reserved bytes that no graph has been told to have caused.
  size_t take_growth();

  std::shared_ptr<Device> device;
  int32_t id;
  // Null until something is taken. A larger one takes its place; graphs keep the one whose address they hold.
  std::shared_ptr<Buffer> buffer;
  size_t used = 0;
  // The most that was in use.
  size_t reserved = 0;

 private:
  size_t accounted_ = 0;
  std::shared_ptr<Mark> last_;
  int32_t last_stream_ = 0;
};

}  // namespace lockstep
