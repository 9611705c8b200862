#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "../shared/pieces.h"
#include "collectives/nccl.h"
#include "exchange.h"

namespace standin {

enum class Kind : int { all_reduce, all_gather, reduce_scatter, broadcast, reduce, send, receive };

// One call. `peer` is the root of broadcast and reduce, and the other rank of send and receive.
struct Call {
  Kind kind;
  const void* from = nullptr;
  void* to = nullptr;
  size_t count = 0;
  int type = 0, op = 0, peer = 0;
};

struct Communicator {
  std::shared_ptr<Exchange> exchange;
  int ranks = 0, rank = 0, device = -1;
  bool blocking = true, initialised = false;
  std::atomic<bool> aborted{false};
  // Pieces of work that can still run: queued ones, and those of graphs.
  std::atomic<int> pieces{0};
  std::mutex mutex;
  int error = lockstep::NCCL_SUCCESS;
  // What its asynchronous state is once it was told to finalize.
  std::atomic<int> finalized{lockstep::NCCL_SUCCESS};
  std::string words;
  // Collectives that were begun here, and messages with each rank.
  size_t begun = 0;
  // By number: the first that the last piece began, and the first that was not dropped.
  size_t last = 1, kept = 1;
  std::map<int, size_t> sent, received;
  // The stream it belongs to: this stand-in wants one a communicator.
  void* stream = nullptr;
  // Of a non-blocking one: what its calls left to a later poll.
  std::vector<Call> deferred;
  bool polled = false;

  void fail(int code, const std::string& text);
};

// Functions of the driver's stand-in in this process; null where there is none.
struct DriverPieces {
  standin_enqueue enqueue = nullptr;
  standin_resolve resolve = nullptr;
  standin_resolves resolves = nullptr;
  standin_current current = nullptr;
  standin_pump pump = nullptr;
  int (*pci)(char* id, int length, int device) = nullptr;
};
const DriverPieces& driver_pieces();

// How a rank words a call, which is what the words of a mismatch show.
std::string words_of(const Call& call);

// What a rank sends to, and reads from, device memory in a call.
size_t bytes_from(const Call& call, int ranks);
size_t bytes_to(const Call& call, int ranks);

// Puts the calls of a group on the communicator's stream, as one piece; an ncclResult_t.
int enqueue_calls(const std::shared_ptr<Communicator>& communicator, std::vector<Call> calls);

}  // namespace standin
