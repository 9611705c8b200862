#pragma once

#include <atomic>
#include <list>
#include <mutex>
#include <string>
#include <vector>

#include "mpi/mpi-library.h"

namespace lockstep {

// Where a message came from, and its int32 words; `peer` is -1 where there was none.
struct MpiArrival {
  int peer;
  int words;
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

  void send(int peer, int tag, const int32_t* words, int count);
  // Waits at most `ms` for a message with this tag. It looks `spins` times, then lets other threads run, then sleeps between looks;
  // with no spins it sleeps at once.
  MpiArrival receive(int tag, int32_t* words, int capacity, double ms, int spins);
  // Whether a message with this tag has come, after at most `ms`, or less once poke() is called: `pokes` is pokes() before.
  bool wait(int tag, double ms, uint32_t pokes);
  uint32_t pokes() const { return pokes_; }
  void poke() { pokes_++; }

  // Whether that rank's process, on this host, has ended. False for processes that cannot be seen from here.
  bool peer_ended(int peer) const;
  // Ends all processes of the job, this one at once.
  void abort(int code);
  // Collective: returns when every rank has called it.
  void finalize();

 private:
  enum class State { none, started, finalized };
  struct Message {
    std::vector<int32_t> words;
    MpiRequest* request = nullptr;
    int peer = 0;
    int tag = 0;
  };

  void require_started() const;
  void check(int code, const char* call, int peer = -1) const;
  void progress_sends();
  bool complete(Message& message, const char* call);
  bool probe(int tag, MpiStatus& status);

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
  // Messages that were matched and have not come whole: one a tag at most, so that their order is kept.
  std::list<Message> receiving_;
  // Finished messages, to be used again.
  std::list<Message> spare_;
};

}  // namespace lockstep
