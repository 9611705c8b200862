#include "pool.h"

#include <algorithm>
#include <utility>

#include "device.h"
#include "stream.h"

namespace lockstep {

namespace {

constexpr size_t alignment = 256;

}  // namespace

Pool::Pool(Device& owner) : device(owner.shared_from_this()), id(owner.next_id++) {}

size_t Pool::take(size_t bytes) {
  device->require_open();
  const size_t begin = (used + alignment - 1) / alignment * alignment;
  const size_t room = buffer != nullptr ? buffer->bytes : 0;
  if (begin > room || bytes > room - begin) {
    const Capture* const capture = device->capture();
    if (capture != nullptr) {
      throw DeviceError("ERR_DEVICE_CAPTURE",
                        "Pool " + std::to_string(id) + " has " + std::to_string(room) + " bytes, this capture needs " +
                            std::to_string(begin + bytes) +
                            ", and nothing can be allocated in a capture. Take as much in a warm-up first, largest key first.",
                        {{"pool", id}, {"needed", begin + bytes}, {"actual", room}});
    }
    buffer = device->allocate(begin + bytes);
  }
  used = begin + bytes;
  reserved = std::max(reserved, used);
  return begin;
}

void Pool::dispose() {
  if (buffer == nullptr) return;
  buffer->dispose();
  buffer.reset();
  used = 0;
}

void Pool::require_free(int32_t stream) {
  if (last_stream_ == 0 || last_stream_ == stream) return;
  // A stream that has ended has no work left. In a capture it has no place to wait for.
  Stream* const last = device->stream(last_stream_);
  if (last == nullptr) return;
  if (last_ == nullptr && !last->capturing()) last_ = last->retire_mark();
  if (last_ != nullptr && last_->wait(0).done) return;
  throw DeviceError("ERR_DEVICE_BUSY",
                    "A graph of pool " + std::to_string(id) + " still runs on stream " + std::to_string(last_stream_) +
                        ", and graphs of one pool share its memory; launch there, or wait for it first.",
                    {{"pool", id}, {"stream", last_stream_}});
}

void Pool::launched(int32_t stream) {
  last_stream_ = stream;
  last_.reset();
}

size_t Pool::take_growth() { return reserved - std::exchange(accounted_, reserved); }

}  // namespace lockstep
