#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "device.h"

namespace lockstep {

// A piece of recorded work: a kernel by its name, or `upload` or `copy`.
struct CapturedNode {
  std::string name;
  int32_t stream;
};

// What was recorded, and what each node waits for, by the order of its stream and by events.
struct CapturedOrder {
  std::vector<CapturedNode> nodes;
  // Pairs: the earlier node, and the one that waits for it.
  std::vector<int32_t> edges;
};

// One capture under way: the stream that began it and those that joined by waiting for an event recorded in it.
// The rules are CUDA's: every stream that joined is waited for before the end, nothing outside is waited for, and the
// thread that began it ends it.
struct Capture {
  struct Member {
    Stream* stream;
    uint64_t operations;
    // Operations that another member has waited for.
    uint64_t waited;
    // Nodes that the stream's next one waits for.
    std::vector<int32_t> tail;
  };

  // `pool` may be null.
  Capture(Stream& origin, std::shared_ptr<Pool> pool);
  ~Capture();

  Member& member(const Stream& stream);
  void join(Stream& stream);
  // Adds a node at the end of the stream.
  void add(const Stream& stream, std::string name);
  // The stream's next node waits for these too.
  void wait(const Stream& stream, const std::vector<int32_t>& nodes);
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
  CapturedOrder order;
};

}  // namespace lockstep
