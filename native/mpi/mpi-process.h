#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <exception>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "mpi/mpi-library.h"

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

// The first word of a row's message: src/ranks/mpi/messages.ts. Its sequence and the row follow.
constexpr int32_t mpi_row_message = 2;

// What is shared with JS of a group whose ranks gather rows: the board of src/ranks/mpi/exchange.ts.
struct MpiBoard {
  int32_t* words;
  int row_words;
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
  int rank() const { return rank_; }
  int size() const { return size_; }

  // So many blocking all-gathers of rows of so many words: what the messages of a group are measured beside. No other thread's call of
  // MPI goes on meanwhile.
  void allgather(int words, int rounds);

  // The tag of the next group: the same on every rank, where all make their groups in one order.
  int next_group() { return ++groups_; }

  // Opens a group: a receive of messages of at most `capacity` words is posted for each other rank. Returns its number. Where there is a
  // board, rows that come in turn are put there, and are no messages; its memory must outlive the group, and `capacity` hold a row's message.
  int open_group(int tag, int capacity, MpiBoard board);
  // Takes the receives back. What comes later is not received, and what came and was not taken is dropped.
  void close_group(int group);
  void send(int peer, int tag, const int32_t* words, int count);
  // Waits at most `ms` for a message of a group, and copies it. It looks `spins` times, then lets other threads run, then sleeps between
  // looks; with no spins it sleeps at once. It returns earlier where rows came, with nothing behind them.
  MpiArrival receive(int group, int32_t* words, int capacity, double ms, int spins);
  // Sends the first `count` words to every other rank, unless a message has come, and waits as receive() does until the rows of all
  // ranks are on the board, and nothing else has come. Only of a group with a board.
  MpiArrival gather(int group, const int32_t* row, int count, int32_t* words, int capacity, double ms, int spins);
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
  struct Message {
    std::vector<int32_t> words;
    MpiRequest* request = nullptr;
    int peer = 0;
  };
  // The receives of a group, one of each other rank, in the order of ranks.
  struct Group {
    int tag = 0;
    int capacity = 0;
    MpiBoard board = {nullptr, 0};
    std::vector<int32_t> words;
    std::vector<MpiRequest*> requests;
    // When it was last seen that nothing more had come.
    std::chrono::steady_clock::time_point emptied = {};
    // The receive whose message has come and was not taken yet; -1 without one.
    int come = -1;
    bool open = false;
  };

  void require_started() const;
  void check(int code, const char* call, int peer = -1) const;
  // Moves what is under way. A send that failed is reported once, by the next call of the JS thread.
  void progress_sends();
  std::exception_ptr next_failed();
  void tell_failed();
  bool complete(Message& message, const char* call);
  Group& group_at(int group);
  void post(Group& group, int slot);
  void close(Group& closed);
  void send_now(int peer, int tag, const int32_t* words, int count);
  int peer_of(int slot) const { return slot < rank_ ? slot : slot + 1; }
  // Whether a message has come. The first of the looks may do no more than let MPI move what has come.
  bool look(Group& group, int looks);
  // Takes rows off the receives, up to what is no row in turn, with so many looks at first. `any`: whether there was one. Returns whether a message waits.
  bool take_rows(Group& group, bool& any, int looks);
  bool put_row(Group& group, int peer, const int32_t* words);
  bool has_all_rows(const Group& group) const;
  MpiArrival take(Group& group, int32_t* words, int capacity);

  std::mutex mutex_;
  MpiLibrary library_ = {};
  bool loaded_ = false;
  std::atomic<State> state_ = State::none;
  MpiComm* comm_ = nullptr;
  int rank_ = 0;
  int size_ = 0;
  std::atomic<int> groups_ = 0;
  std::atomic<uint32_t> pokes_ = 0;
  // Process id and host of each rank.
  std::vector<int32_t> places_;
  std::list<Message> sending_;
  // Messages whose sends failed: what they hold may be in use for as long as the process.
  std::list<Message> failed_;
  std::deque<std::exception_ptr> untold_;
  // Never moved: MPI writes into them.
  std::deque<Group> opened_;
  // Finished messages, to be used again.
  std::list<Message> spare_;
};

}  // namespace lockstep
