#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "mpi/mpi-group.h"
#include "mpi/mpi-sends.h"
#include "mpi/mpi-window.h"
#include "mpi/mpi-world.h"

namespace lockstep {

// What a look at the messages of a group found.
struct MpiArrival {
  // The rank that a message came from; or one of these.
  int peer;
  static constexpr int none = -1;
  // Rows alone, which are on the board now.
  static constexpr int rows = -2;
  // Nothing was sent, for a message that had come before: it is the one of `peer`.
  bool unsent;
};

// MPI in this process: it starts once, ends once, and is shared by the threads of the process, one call at a time.
//
// Every message is a few int32 words with a tag, which says the group it belongs to. Sends are copied and complete on their own;
// nothing here waits for a peer longer than the milliseconds that the caller gives, but for start() and finalize(), which MPI
// defines as collective. Errors of MPI are ERR_RANK_LOST, with its own words.
class MpiProcess {
 public:
  // The one of this process. It is never destroyed: MPI's threads may outlive main().
  static MpiProcess& here();

  // Opens a library in place of the one that was opened before; a reason if it does not serve. A started one stays.
  std::string load(const std::string& name);
  std::string version();

  // Starts MPI, or finds it started; whether this call started it. `host` is equal on processes that see each other's process
  // ids. Throws ERR_TRANSPORT_UNAVAILABLE.
  bool start(int32_t host);
  bool started() const { return state_ == State::started; }
  int rank() const { return world_.rank; }
  int size() const { return world_.size; }
  // Whether rows go through memory that all processes share, as they do where all run on one host.
  bool shares_memory() const { return window_.is_open(); }

  // So many blocking all-gathers of rows of so many words: what the messages of a group are measured beside. No other thread's call of
  // MPI goes on meanwhile.
  void allgather(int words, int rounds);

  // The tag of the next group: the same on every rank, where all make their groups in one order.
  int next_group() { return ++tags_; }

  // Opens a group: a receive of messages of at most `capacity` words is posted for each other rank. Returns its number. Where there is a
  // board, rows that come in turn are put there, and are no messages; its memory must outlive the group, and `capacity` hold a row's message.
  int open_group(int tag, int capacity, MpiBoard board);
  // Takes the receives back. What comes later is not received, and what came and was not taken is dropped.
  void close_group(int group);
  void send(int peer, int tag, const int32_t* words, int count);
  // Shows the row of a group's board to all other ranks at once; false where it has to be sent to each.
  bool publish(int group);
  // Messages with this tag to a peer that MPI has not finished with, as far as the calls before have moved them.
  size_t sending(int tag, int peer);
  // Waits at most `ms` for a message of a group, and copies it. It looks `spins` times, then lets other threads run, then sleeps between
  // looks; with no spins it sleeps at once. It returns earlier where rows came, with nothing behind them. Where there is a window, a message of which
  // that does not know is looked for as the time ends; but not without time, where there are spins.
  MpiArrival receive(int group, int32_t* words, int capacity, double ms, int spins);
  // Gives every other rank the row of the board, unless a message has come, and waits as receive() does until the rows of all
  // ranks are on the board, and nothing else has come. A message is copied to where the board says. Only of a group with a board.
  MpiArrival gather(int group, double ms, int spins);
  // Whether a message of a group has come, after at most `ms`, or less once poke() is called: `pokes` is pokes() before.
  bool wait(int group, double ms, uint32_t pokes);
  uint32_t pokes() const { return pokes_; }
  void poke() { pokes_++; }

  // Whether that rank's process, on this host, has ended. False for processes that cannot be seen from here.
  bool peer_ended(int peer) const;
  // Ends all processes of the job; this one after 2 s at the latest, with `code`.
  void abort(int code);
  // Collective: returns when every rank has called it.
  void finalize();

 private:
  enum class State { none, started, finalized };
  void require_started() const;
  // A send that failed is reported once, by the next call of the JS thread.
  void tell_failed();
  // Sends the row of the board to each other rank, and throws why one could not be reached: `failed`, or what comes first.
  void send_row(const MpiGroup& group, std::exception_ptr failed);
  MpiGroup& group_at(int group);

  std::mutex mutex_;
  MpiWorld world_;
  bool loaded_ = false;
  std::atomic<State> state_ = State::none;
  std::atomic<int> tags_ = 0;
  std::atomic<uint32_t> pokes_ = 0;
  // Process id and host of each rank.
  std::vector<int32_t> places_;
  MpiWindow window_;
  MpiSends sends_{world_, window_};
  // Never moved: MPI writes into them.
  std::deque<MpiGroup> groups_;
};

}  // namespace lockstep
