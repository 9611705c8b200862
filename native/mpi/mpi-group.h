#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "mpi/mpi-rows.h"
#include "mpi/mpi-window.h"
#include "mpi/mpi-world.h"

namespace lockstep {

// The first word of a row's message: src/ranks/mpi/messages.ts. Its sequence and the row follow.
constexpr int32_t mpi_row_message = 2;

// What is shared with JS of a group whose ranks gather rows: the board of src/ranks/mpi/exchange.ts; the message of this rank's next row; and where
// other messages go, with room for the group's longest.
struct MpiBoard {
  int32_t* words;
  int row_words;
  const int32_t* row;
  int32_t* incoming;
};

// The receives of a group of messages, one of each other rank, in the order of ranks. MPI writes into it, so it never moves. One thread at a
// time. Throws ERR_RANK_LOST with what MPI says.
//
// Rows may come through the window instead. Those of a rank and its messages are taken in the order in which it sent them, as if all were messages.
// Where the window says that a message was sent, MPI is asked for it often. Without that word it has to be asked now and then: who sent a message
// may have stopped or died before the window said so, and MPI moves nothing while it is not called.
class MpiGroup {
 public:
  // Posts no receive yet. Messages have at most `capacity` words.
  MpiGroup(const MpiWorld& world, const MpiWindow& window, int tag, int capacity, MpiBoard board);
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  // Posts a receive for each other rank.
  void open();
  // Takes the receives back. What came and was not taken is dropped.
  void close();
  bool is_open() const { return open_; }
  int tag() const { return tag_; }
  bool has_board() const { return board_.words != nullptr; }
  bool has_window() const { return rows_.has_value(); }

  // Whether a message or a row has come. MPI is asked so many times, and more often where a message is expected; the first time it may do no
  // more than move what has come.
  bool has_come(int looks);
  // Puts rows that came in turn on the board, up to what is none. MPI is asked as by has_come(); with no looks, only where a message is expected.
  // `any`: whether there was a row. `entered`: whether this rank has entered the all-gather of the board's sequence, and not only the one
  // before. Returns whether a message waits.
  bool take_rows(bool& any, int looks, bool entered = true);
  // Copies the message that waits, and returns the rank it came from.
  int take(int32_t* words, int capacity);
  // The same, to where the board says.
  int take() { return take(board_.incoming, capacity_); }
  // The message of this rank's row, and its words.
  std::pair<const int32_t*, int> own_row() const { return {board_.row, 2 + board_.row_words}; }
  // Puts it in the window. False where there is none, or it is not known that the place is free, or it is no row: then nothing was done.
  bool publish();
  // Whether the window said at the last look for a message, once the rows before it were taken, that one was sent that had not come.
  bool expects_message() const { return expected_; }
  // Whether the rows of all ranks are on the board for the all-gather that this rank is in.
  bool has_all_rows() const;

  // When it was last seen that nothing more had come.
  std::chrono::steady_clock::time_point emptied = {};

 private:
  int32_t* words_at(int slot) { return words_.data() + static_cast<size_t>(slot) * static_cast<size_t>(capacity_); }
  int peer_of(int slot) const { return slot < world_.rank ? slot : slot + 1; }
  void post(int slot);
  bool look(int looks);
  // Takes rows of the window in turn. Returns whether one of them is none, and waits.
  bool take_published(bool& any, bool entered);
  // The message of this receive was taken, and the next may come.
  void received(int slot);
  bool has_rows(uint32_t sequence) const;
  bool put_row(int peer, const int32_t* words, bool entered);

  const MpiWorld& world_;
  const int tag_;
  const int capacity_;
  const MpiBoard board_;
  std::vector<int32_t> words_;
  std::vector<MpiRequest*> requests_;
  // The receive whose message has come and was not taken yet; -1 without one.
  int come_ = -1;
  std::optional<MpiRows> rows_;
  // The rank whose next row in the window is no row in turn, but a message that waits; -1 without one.
  int refused_ = -1;
  bool expected_ = false;
  bool open_ = false;
};

}  // namespace lockstep
