#pragma once

#include <cstddef>
#include <cstdint>

#include "mpi/mpi-world.h"

namespace lockstep {

// Memory that the processes of a job share where all of them run on one host. It holds a block for each rank of each group, which that rank
// alone writes: how many messages of the group it has sent to each rank, and its last two rows (MpiRows).
//
// It has no name: rank 0 makes it, and the others open it by that process's descriptor, so nothing is left of it once their processes have ended,
// however they do.
class MpiWindow {
 public:
  // Groups by their tags from 1 on; the rows of others are messages.
  static constexpr int max_groups = 1024;
  // Words of a row's message at most.
  static constexpr int max_words = 66;

  MpiWindow() = default;
  MpiWindow(const MpiWindow&) = delete;
  MpiWindow& operator=(const MpiWindow&) = delete;

  // Collective: all ranks have the memory afterwards, or none. `host` is equal on processes that see each other's process ids; their host must
  // have one name besides, as MPI knows hosts by it.
  void open(const MpiWorld& world, int32_t host);
  bool is_open() const { return base_ != nullptr; }
  bool holds(int tag) const { return is_open() && tag >= 1 && tag <= max_groups; }

  // Of a group that it holds: how many messages `from` has sent to `to`.
  int32_t* sent(int tag, int from, int to) const { return block(tag, from) + to; }
  // The `index`-th row of `from`, by its parity: its index; how many words it has; how many messages to each rank `from` had sent before; the words.
  int32_t* slot(int tag, int from, uint32_t index) const { return block(tag, from) + counts_ + (index & 1) * slot_; }

  // Counts a message that this rank has sent. A rank whose row this one does not see afterwards sees the count once it has published that row.
  void count_sent(int tag, int to) const;

 private:
  int32_t* block(int tag, int rank) const {
    return base_ + (static_cast<size_t>(tag - 1) * static_cast<size_t>(size_) + static_cast<size_t>(rank)) * (counts_ + 2 * slot_);
  }
  int32_t* base_ = nullptr;
  int rank_ = 0;
  int size_ = 0;
  // Words of the counts and of a slot, each in cache lines of its own.
  size_t counts_ = 0;
  size_t slot_ = 0;
};

}  // namespace lockstep
