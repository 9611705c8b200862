#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <list>
#include <vector>

#include "mpi/mpi-window.h"
#include "mpi/mpi-world.h"

namespace lockstep {

// Messages that are sent: each is copied and completes on its own. The window counts it as soon as MPI has it. One thread at a time.
class MpiSends {
 public:
  MpiSends(const MpiWorld& world, const MpiWindow& window) : world_(world), window_(window) {}
  MpiSends(const MpiSends&) = delete;
  MpiSends& operator=(const MpiSends&) = delete;

  // Throws what MPI says of this message at once; next_failed() has what it says later.
  void send(int peer, int tag, const int32_t* words, int count);
  // Moves what is under way.
  void progress();
  bool under_way() const { return !sending_.empty(); }
  // How many with this tag to a peer are.
  size_t under_way(int tag, int peer) const;
  // Why a message that was under way could not be sent, once each; null without one.
  std::exception_ptr next_failed();
  bool any_failed() const { return !untold_.empty(); }

 private:
  struct Message {
    std::vector<int32_t> words;
    MpiRequest* request = nullptr;
    int peer = 0;
    int tag = 0;
  };

  bool complete(Message& message);

  const MpiWorld& world_;
  const MpiWindow& window_;
  std::list<Message> sending_;
  // Messages whose sends failed: what they hold may be in use for as long as the process.
  std::list<Message> failed_;
  std::deque<std::exception_ptr> untold_;
  // Finished messages, to be used again.
  std::list<Message> spare_;
};

}  // namespace lockstep
