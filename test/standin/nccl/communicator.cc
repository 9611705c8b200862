#include "communicator.h"

#include <dlfcn.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "reduce.h"

namespace standin {

namespace {

using namespace lockstep;

// One call as a piece has begun it: the names under which ranks put what they bring, in the exchange.
struct Begun {
  Call call;
  std::string mine, theirs;
  std::vector<std::string> all;
};

struct Piece {
  std::shared_ptr<Communicator> communicator;
  std::vector<Call> calls;
  std::vector<Begun> begun;
  bool hung = false;
};

bool symmetric(Kind kind) { return kind != Kind::send && kind != Kind::receive; }

void* device_memory(const Communicator& own, const void* address, size_t bytes) {
  return driver_pieces().resolve(own.device, reinterpret_cast<uint64_t>(address), bytes);
}

// LOCKSTEP_STANDIN_NCCL_HANG=rank:nth: that rank never brings what its nth collective needs.
// LOCKSTEP_STANDIN_NCCL_KILL=rank:nth: that rank's process is killed there.
bool set_for(const char* variable, const Communicator& own) {
  const char* const set = std::getenv(variable);
  return set != nullptr && std::to_string(own.rank) + ":" + std::to_string(own.begun) == set;
}

// What a rank brings: the words of its call, a zero, and its bytes.
std::string brought(const Communicator& own, const Call& call) {
  std::string all = words_of(call) + '\0';
  const size_t bytes = bytes_from(call, own.ranks);
  const bool root_only = call.kind == Kind::broadcast && call.peer != own.rank;
  if (bytes == 0 || root_only) return all;
  const void* const from = device_memory(own, call.from, bytes);
  return from == nullptr ? all : all.append(static_cast<const char*>(from), bytes);
}

std::string collective_name(size_t number, int rank) { return "call." + std::to_string(number) + "." + std::to_string(rank); }

void begin_collective(Communicator& own, Begun& begun) {
  const size_t number = ++own.begun;
  begun.mine = collective_name(number, own.rank);
  for (int rank = 0; rank < own.ranks; rank++) begun.all.push_back(collective_name(number, rank));
}

// The last piece is done here, so all ranks have begun it, and none reads what was brought for those before it any more.
void drop_read(Communicator& own) {
  for (; own.kept < own.last; own.kept++) own.exchange->drop(collective_name(own.kept, own.rank));
  own.last = own.begun + 1;
}

void begin_message(Communicator& own, Begun& begun) {
  const bool sends = begun.call.kind == Kind::send;
  const int from = sends ? own.rank : begun.call.peer, to = sends ? begun.call.peer : own.rank;
  const size_t number = sends ? ++own.sent[to] : ++own.received[from];
  const std::string pair = std::to_string(from) + "." + std::to_string(to) + "." + std::to_string(number);
  begun.mine = (sends ? "send." : "receive.") + pair;
  begun.theirs = (sends ? "receive." : "send.") + pair;
  begun.all = {begun.theirs};
}

void begin(Piece& piece) {
  Communicator& own = *piece.communicator;
  drop_read(own);
  for (const Call& call : piece.calls) {
    Begun begun{call, "", "", {}};
    if (symmetric(call.kind)) begin_collective(own, begun);
    else begin_message(own, begun);
    if (set_for("LOCKSTEP_STANDIN_NCCL_KILL", own)) std::raise(SIGKILL);
    piece.hung = piece.hung || set_for("LOCKSTEP_STANDIN_NCCL_HANG", own);
    if (!piece.hung) own.exchange->put(begun.mine, brought(own, call));
    piece.begun.push_back(std::move(begun));
  }
}

// A rank's words say how its call differs from ours; empty if it does not.
std::string mismatch(const Communicator& own, const Begun& begun) {
  const std::string mine = words_of(begun.call);
  for (size_t i = 0; i < begun.all.size(); i++) {
    const std::string theirs = own.exchange->get(begun.all[i]).c_str();
    const bool message = !symmetric(begun.call.kind);
    // A send and its receive differ in their first word alone.
    const bool same = message ? theirs.substr(theirs.find(' ')) == mine.substr(mine.find(' ')) : theirs == mine;
    const int rank = message ? begun.call.peer : static_cast<int>(i);
    if (!same) return "rank " + std::to_string(own.rank) + ": " + mine + "; rank " + std::to_string(rank) + ": " + theirs;
  }
  return "";
}

void finish(const Communicator& own, const Begun& begun) {
  const Call& call = begun.call;
  const auto payload = [&](size_t rank) {
    const std::string all = own.exchange->get(begun.all[rank]);
    return all.substr(all.find('\0') + 1);
  };
  const size_t bytes = bytes_to(call, own.ranks);
  const bool root_only = call.kind == Kind::reduce && call.peer != own.rank;
  if (bytes > 0 && !root_only) {
    auto* const to = static_cast<char*>(device_memory(own, call.to, bytes));
    if (to == nullptr) return;
    const size_t share = call.count * element_bytes(call.type);
    const auto ranks = static_cast<size_t>(own.ranks);
    if (call.kind == Kind::receive) std::memcpy(to, payload(0).data(), bytes);
    if (call.kind == Kind::broadcast) std::memcpy(to, payload(static_cast<size_t>(call.peer)).data(), bytes);
    if (call.kind == Kind::all_gather) {
      for (size_t rank = 0; rank < ranks; rank++) std::memcpy(to + rank * share, payload(rank).data(), share);
    }
    if (call.kind == Kind::all_reduce || call.kind == Kind::reduce || call.kind == Kind::reduce_scatter) {
      const size_t offset = call.kind == Kind::reduce_scatter ? static_cast<size_t>(own.rank) * share : 0;
      for (size_t rank = 0; rank < ranks; rank++) {
        const std::string theirs = payload(rank);
        if (rank == 0) std::memcpy(to, theirs.data() + offset, share);
        else reduce_into(to, theirs.data() + offset, call.count, call.type, call.op);
      }
      if (call.op == NCCL_AVERAGE) divide(to, call.count, call.type, own.ranks);
    }
  }
  // What a message brought is read by one rank.
  if (!symmetric(call.kind)) own.exchange->drop(begun.theirs);
}

int step(void* state, int run) {
  auto& piece = *static_cast<Piece*>(state);
  Communicator& own = *piece.communicator;
  std::lock_guard<std::mutex> lock(own.mutex);
  if (run != 0) {
    if (!own.aborted) {
      for (const Begun& begun : piece.begun) finish(own, begun);
    }
    // A graph's piece begins again at the next replay.
    piece.begun.clear();
    return 0;
  }
  if (own.aborted) return 1;
  if (own.error != NCCL_SUCCESS) return 0;
  if (piece.begun.empty()) begin(piece);
  if (piece.hung) return 0;
  for (const Begun& begun : piece.begun) {
    for (const std::string& name : begun.all) {
      if (!own.exchange->has(name)) return 0;
    }
  }
  for (const Begun& begun : piece.begun) {
    const std::string words = mismatch(own, begun);
    if (words.empty()) continue;
    own.fail(NCCL_INVALID_USAGE, "the ranks' calls differ: " + words);
    return 0;
  }
  return 1;
}

void release(void* state) {
  auto* const piece = static_cast<Piece*>(state);
  piece->communicator->pieces--;
  delete piece;
}

}  // namespace

void Communicator::fail(int code, const std::string& text) {
  error = code;
  words = text;
}

const DriverPieces& driver_pieces() {
  static const DriverPieces* const found = [] {
    auto* const all = new DriverPieces;
#ifdef STANDIN_HIP
    void* const driver = dlopen("libamdhip64.so.6", RTLD_NOW | RTLD_NOLOAD);
    const char* const pci = "hipDeviceGetPCIBusId";
#else
    void* const driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_NOLOAD);
    const char* const pci = "cuDeviceGetPCIBusId";
#endif
    if (driver == nullptr) return all;
    const auto find = [driver](auto& field, const char* name) { field = reinterpret_cast<std::decay_t<decltype(field)>>(dlsym(driver, name)); };
    find(all->enqueue, "lockstep_standin_enqueue");
    find(all->resolve, "lockstep_standin_resolve");
    find(all->resolves, "lockstep_standin_resolves");
    find(all->current, "lockstep_standin_current");
    find(all->pump, "lockstep_standin_pump");
    find(all->pci, pci);
    return all;
  }();
  return *found;
}

std::string words_of(const Call& call) {
  const char* const names[] = {"all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce", "send", "receive"};
  const char* const ops[] = {"sum", "product", "max", "min", "average"};
  std::string words = std::string(names[static_cast<int>(call.kind)]) + " of " + std::to_string(call.count) + " " + type_name(call.type);
  const bool reduces = call.kind == Kind::all_reduce || call.kind == Kind::reduce_scatter || call.kind == Kind::reduce;
  if (reduces) words += std::string(" by ") + ops[call.op];
  if (call.kind == Kind::broadcast || call.kind == Kind::reduce) words += " with root " + std::to_string(call.peer);
  return words;
}

size_t bytes_from(const Call& call, int ranks) {
  if (call.kind == Kind::receive) return 0;
  return call.count * element_bytes(call.type) * (call.kind == Kind::reduce_scatter ? static_cast<size_t>(ranks) : 1);
}

size_t bytes_to(const Call& call, int ranks) {
  if (call.kind == Kind::send) return 0;
  return call.count * element_bytes(call.type) * (call.kind == Kind::all_gather ? static_cast<size_t>(ranks) : 1);
}

int enqueue_calls(const std::shared_ptr<Communicator>& communicator, std::vector<Call> calls) {
  communicator->pieces++;
  auto* const piece = new Piece{communicator, std::move(calls), {}, false};
  // From here on the piece is the driver's, whatever it answers.
  const int code = driver_pieces().enqueue(communicator->stream, "a collective", step, release, piece);
  if (code == 0) return NCCL_SUCCESS;
  std::lock_guard<std::mutex> lock(communicator->mutex);
  communicator->fail(NCCL_UNHANDLED_DRIVER_ERROR, "the driver refused the collective with " + std::to_string(code));
  return NCCL_UNHANDLED_DRIVER_ERROR;
}

}  // namespace standin
