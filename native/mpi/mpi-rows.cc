#include "mpi-rows.h"

#include <algorithm>
#include <atomic>

namespace lockstep {

MpiRows::MpiRows(const MpiWorld& world, const MpiWindow& window, int tag, uint32_t start)
    : world_(world), window_(window), tag_(tag), published_(start), taken_(static_cast<size_t>(world.size), start), received_(static_cast<size_t>(world.size), start) {}

void MpiRows::publish(const int32_t* words, int count) {
  published_++;
  int32_t* const slot = window_.slot(tag_, world_.rank, published_);
  slot[1] = count;
  int32_t* const before = slot + 2;
  std::copy_n(window_.sent(tag_, world_.rank, 0), world_.size, before);
  std::copy_n(words, count, before + world_.size);
  __atomic_store_n(slot, static_cast<int32_t>(published_), __ATOMIC_RELEASE);
  // Before this rank looks for messages: MpiWindow::count_sent().
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

const int32_t* MpiRows::next(int peer) const {
  const int32_t* const found = slot(peer);
  const size_t at = static_cast<size_t>(peer);
  if (static_cast<uint32_t>(__atomic_load_n(found, __ATOMIC_ACQUIRE)) != taken_[at] + 1) return nullptr;
  const int32_t* const before = found + 2;
  if (static_cast<int32_t>(static_cast<uint32_t>(before[world_.rank]) - received_[at]) > 0) return nullptr;
  return before + world_.size;
}

bool MpiRows::has_row() const {
  for (int peer = 0; peer < world_.size; peer++) {
    if (peer != world_.rank && next(peer) != nullptr) return true;
  }
  return false;
}

bool MpiRows::has_message() const {
  for (int peer = 0; peer < world_.size; peer++) {
    if (peer == world_.rank) continue;
    const int32_t sent = __atomic_load_n(window_.sent(tag_, peer, world_.rank), __ATOMIC_ACQUIRE);
    // One that comes sooner than it is counted is no message less.
    if (static_cast<int32_t>(static_cast<uint32_t>(sent) - received_[static_cast<size_t>(peer)]) > 0) return true;
  }
  return false;
}

}  // namespace lockstep
