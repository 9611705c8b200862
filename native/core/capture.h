#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "device.h"

namespace lockstep {

// One capture under way: the stream that began it and those that joined by waiting for an event recorded in it.
// The rules are CUDA's: every stream that joined is waited for before the end, nothing outside is waited for, and the
// thread that began it ends it.
struct Capture {
  struct Member {
    Stream* stream;
    uint64_t operations;
    // Operations that another member has waited for.
    uint64_t waited;
  };

  // `pool` may be null.
  Capture(Stream& origin, std::shared_ptr<Pool> pool);
  ~Capture();

  Member& member(const Stream& stream);
  void join(Stream& stream);
  // The first stream whose last operation no member waited for, or null.
  const Stream* unjoined() const;
  // Every member leaves, and what was retired meanwhile can be freed.
  void end();

  const std::shared_ptr<Device> device;
  const std::thread::id thread = std::this_thread::get_id();
  const std::shared_ptr<Pool> pool;
  // Bytes that the pool had handed out before.
  const size_t pool_used;
  bool ended = false;
  std::vector<Member> members;
  Baked baked;
};

}  // namespace lockstep
