#pragma once

#include <cstdint>
#include <vector>

#include "mpi/mpi-window.h"
#include "mpi/mpi-world.h"

namespace lockstep {

// The rows of a group that go through the window, in their order among the messages of their rank: a row says how many messages were sent before it.
//
// A rank's next row but one goes where its last one lies, so it may go there only once all ranks have taken that one. An Exchange sees to it. A rank
// enters an all-gather only after it completed the one before, for which it took the rows of all. So where this rank has every peer's row of the
// last all-gather, every peer has taken its row of the one before that; and it puts no row here unless it has them (MpiGroup). An Exchange that
// ended may leave rows here, but enters nothing any more, so that no later row replaces them.
class MpiRows {
 public:
  // Counts rows and messages from `start` on, 0 but for tests of what comes once a count has wrapped.
  MpiRows(const MpiWorld& world, const MpiWindow& window, int tag, uint32_t start = 0);

  // Makes the next row of this rank known to all.
  void publish(const int32_t* words, int count);
  // The words of a rank's next row, as those of a message; null where it has not come, or messages that were sent before it were not received yet.
  const int32_t* next(int peer) const;
  int words_of_next(int peer) const { return slot(peer)[1]; }
  // Whether some rank's next row is here.
  bool has_row() const;
  void taken(int peer) { taken_[static_cast<size_t>(peer)]++; }
  // A message of `peer` was received, and it is the rows' turn.
  void received(int peer) { received_[static_cast<size_t>(peer)]++; }
  // Whether a rank has sent a message that was not received yet. Sent means that MPI has it.
  bool has_message() const;

 private:
  const int32_t* slot(int peer) const { return window_.slot(tag_, peer, taken_[static_cast<size_t>(peer)] + 1); }

  const MpiWorld& world_;
  const MpiWindow& window_;
  const int tag_;
  uint32_t published_;
  // Rows taken and messages received, of each rank.
  std::vector<uint32_t> taken_;
  std::vector<uint32_t> received_;
};

}  // namespace lockstep
