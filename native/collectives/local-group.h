#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "communicator.h"
#include "core/backend.h"
#include "core/condition-variable.h"

namespace lockstep {

// What a rank contributes to one exchange: device memory that peers may read once `mark` is reached.
struct Post {
  DeviceAddress address;
  size_t bytes = 0;
  // Kind, type and counts, which must be equal on all ranks.
  std::vector<int32_t> signature;
  std::shared_ptr<Mark> mark;
};

// Ranks of one process whose streams exchange device memory: threads with a JS environment each, which can end at any time.
// Exchanges are numbered from 1. Each rank posts, waits until all have posted, and enqueues its reads; exchange n + 2 takes the
// posts' places of n. A rank posts n + 1 only after it enqueued its reads of n, so once all have posted n + 1, no rank looks at a
// post of n again, and the marks of all reads of n are known.
class LocalGroup {
 public:
  // The group of this id in the process, made by whichever rank comes first, on the device of these facts. Throws ERR_INPUT_INVALID for
  // another size, or a rank that joined before, and ERR_DEVICE_MISMATCH for another kind of device or another card.
  static std::shared_ptr<LocalGroup> join(const std::string& id, int32_t rank, int32_t size, const DeviceFacts& facts);

  LocalGroup(int32_t ranks, const DeviceFacts& facts)
      : size(ranks), kind_(facts.kind), pci_(facts.pci), seats_(static_cast<size_t>(ranks)) {}

  void post(int32_t rank, uint64_t exchange, Post post);
  // Waits at most `ms` milliseconds until all have posted. Throws ERR_RANK_LOST if the group ended before they had, and
  // ERR_RANKS_DIVERGED, on all ranks alike, where signatures differ.
  bool arrived(uint64_t exchange, double ms);
  std::vector<int32_t> missing(uint64_t exchange) const;

  // Calls `read(posts, mark)`, which enqueues reads and sets the mark after them, also where it throws half-way; unless the group has
  // ended: then ERR_RANK_LOST. From the end of the group on, nothing reads a rank's memory but what was enqueued before.
  template <typename Read>
  void collect(int32_t rank, uint64_t exchange, Read read) {
    const std::lock_guard<std::mutex> lock(mutex_);
    throw_if_ended();
    read([&](int32_t peer) -> const Post& { return seats_[static_cast<size_t>(peer)].posts[exchange & 1]; },
         seats_[static_cast<size_t>(rank)].reads[exchange & 1]);
  }

  // Marks after which no rank reads what was posted for an exchange of this parity.
  std::vector<std::shared_ptr<Mark>> reads(uint64_t parity) const;

  // Ends the group on behalf of `rank`, because of `culprits`; the first reason counts.
  void end(int32_t rank, const std::string& code, const std::string& reason, std::vector<int32_t> culprits);

  const int32_t size;

 private:
  struct Seat {
    std::atomic<uint64_t> posted{0};
    bool joined = false;
    Post posts[2];
    std::shared_ptr<Mark> reads[2];
  };

  bool all_posted(uint64_t exchange) const;
  void throw_if_ended() const;
  void require_equal_signatures(uint64_t exchange) const;

  // Marks and addresses of one backend and card are all that streams of it take.
  const std::string kind_;
  const std::string pci_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int32_t> waiters_{0};
  std::vector<Seat> seats_;
  std::atomic<bool> ended_{false};
  GroupEnd end_ = {-1, "", "", {}};
};

}  // namespace lockstep
