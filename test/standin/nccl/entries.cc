#include <unistd.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "../shared/json.h"
#include "../shared/plan.h"
#include "communicator.h"
#include "reduce.h"

// The functions of NCCL and RCCL by the table, with their checks.
namespace standin {

using lockstep::NcclConfig;
using lockstep::NcclUniqueId;
using namespace lockstep;

enum class Row : int {
#define ROW(field, result, parameters, symbol, need) field,
#include "collectives/nccl-symbols.inc"
#undef ROW
  count
};

#define ROW(field, result, parameters, symbol, need) \
  extern "C" __attribute__((visibility("default"))) result field parameters __asm__(symbol);
#include "collectives/nccl-symbols.inc"
#undef ROW

namespace {

#define ROW(field, result, parameters, symbol, need) symbol,
const char* const symbols[] = {
#include "collectives/nccl-symbols.inc"
};
#undef ROW

#define ROW(field, result, parameters, symbol, need) #field,
const char* const fields[] = {
#include "collectives/nccl-symbols.inc"
};
#undef ROW

struct State {
  std::mutex mutex;
  size_t calls[static_cast<int>(Row::count)] = {}, injected = 0;
  std::vector<std::string> refused;
  std::map<void*, std::shared_ptr<Communicator>> communicators;
  uintptr_t next = 0;
};

State& state() {
  static State* const one = new State;
  return *one;
}

thread_local int group_depth = 0;

// Calls of the thread's open group.
struct Grouped {
  std::shared_ptr<Communicator> communicator;
  Call call;
};
std::vector<Grouped>& grouped() {
  static thread_local std::vector<Grouped> calls;
  return calls;
}

// Counts a call; its injected failure, or 0.
int enter(Row row) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const int index = static_cast<int>(row);
  const size_t nth = ++state().calls[index];
  const int code = planned_failure({symbols[index], fields[index]}, nth);
  state().injected += code != 0 ? 1 : 0;
  return code;
}

int refuse(int code, const std::string& text) {
  std::lock_guard<std::mutex> lock(state().mutex);
  state().refused.push_back(text);
  if (std::getenv("LOCKSTEP_STANDIN_QUIET") == nullptr) std::fprintf(stderr, "stand-in of NCCL: %s -> %d\n", text.c_str(), code);
  return code;
}

std::shared_ptr<Communicator> communicator_of(void* handle) {
  std::lock_guard<std::mutex> lock(state().mutex);
  const auto at = state().communicators.find(handle);
  return at == state().communicators.end() ? nullptr : at->second;
}

int library_version() {
  const char* const set = std::getenv("LOCKSTEP_STANDIN_NCCL_VERSION");
  return set == nullptr || *set == '\0' ? 22602 : std::atoi(set);
}

int check_config(const NcclConfig* config) {
  if (config == nullptr) return NCCL_SUCCESS;
  if (config->magic != 0xcafebeef) return refuse(NCCL_INVALID_ARGUMENT, "the configuration's magic is another");
  if (config->version > static_cast<unsigned>(library_version())) return refuse(NCCL_INVALID_ARGUMENT, "the configuration is newer than the library");
  if (config->version < 21800 || config->size != sizeof(NcclConfig)) {
    return refuse(NCCL_INVALID_ARGUMENT, "the configuration's size is not that of its version");
  }
  if (config->blocking != 0 && config->blocking != 1 && config->blocking != INT_MIN) {
    return refuse(NCCL_INVALID_ARGUMENT, "blocking is neither 0 nor 1");
  }
  return NCCL_SUCCESS;
}

// Whether all ranks have come; two that share a card are refused by both.
bool all_there(Communicator& own) {
  const auto name = [](int rank) { return "rank." + std::to_string(rank); };
  for (int rank = 0; rank < own.ranks; rank++) {
    if (!own.exchange->has(name(rank))) return false;
  }
  for (int a = 0; a < own.ranks; a++) {
    for (int b = 0; b < a; b++) {
      if (own.exchange->get(name(a)) != own.exchange->get(name(b))) continue;
      own.fail(NCCL_INVALID_USAGE, "Duplicate GPU detected: ranks " + std::to_string(b) + " and " + std::to_string(a) + " are both on " +
                                       own.exchange->get(name(a)));
    }
  }
  own.initialised = true;
  return true;
}

int check_call(const Communicator& own, const Call& call, void* stream) {
  if (element_bytes(call.type) == 0) return refuse(NCCL_INVALID_ARGUMENT, "there is no type " + std::to_string(call.type));
  if (!known_op(call.op)) return refuse(NCCL_INVALID_ARGUMENT, "there is no operation " + std::to_string(call.op));
  if (call.peer < 0 || call.peer >= own.ranks) return refuse(NCCL_INVALID_ARGUMENT, "there is no rank " + std::to_string(call.peer));
  if (driver_pieces().current() != own.device) return refuse(NCCL_INVALID_USAGE, "the communicator's device is not the thread's");
  if (own.stream != nullptr && own.stream != stream) return refuse(NCCL_INVALID_USAGE, "the communicator belongs to another stream");
  const std::pair<const void*, size_t> ranges[] = {{call.from, bytes_from(call, own.ranks)}, {call.to, bytes_to(call, own.ranks)}};
  for (const auto& [address, bytes] : ranges) {
    const bool other_root = (call.kind == Kind::broadcast && address == call.from && call.peer != own.rank) ||
                            (call.kind == Kind::reduce && address == call.to && call.peer != own.rank);
    if (bytes > 0 && !other_root && driver_pieces().resolves(own.device, reinterpret_cast<uint64_t>(address), bytes) == 0) {
      return refuse(NCCL_INVALID_ARGUMENT, words_of(call) + ": the memory does not hold it");
    }
  }
  return NCCL_SUCCESS;
}

// A non-blocking communicator enqueues at a later poll: what the caller records before is not after the collective.
int issue(const std::shared_ptr<Communicator>& own, std::vector<Call> calls) {
  if (own->blocking) return enqueue_calls(own, std::move(calls));
  own->deferred = std::move(calls);
  own->polled = false;
  return NCCL_IN_PROGRESS;
}

int call_on(Row row, void* handle, void* stream, const Call& call) {
  if (const int code = enter(row); code != 0) return code;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return refuse(NCCL_INVALID_ARGUMENT, "this is no communicator");
  if (!own->initialised || own->aborted) return refuse(NCCL_INVALID_USAGE, "the communicator cannot be used yet, or not any more");
  if (own->error != NCCL_SUCCESS) return own->error;
  if (!own->deferred.empty()) return refuse(NCCL_INVALID_USAGE, "the last call is still in progress");
  if (const int code = check_call(*own, call, stream); code != 0) return code;
  own->stream = stream;
  if (call.count == 0) return NCCL_SUCCESS;
  if (group_depth == 0) return issue(own, {call});
  grouped().push_back({own, call});
  return NCCL_SUCCESS;
}

// The last of the ranks to leave ends the exchange.
void leave_exchange(const Communicator& own) {
  own.exchange->put("left." + std::to_string(own.rank), "");
  for (int rank = 0; rank < own.ranks; rank++) {
    if (!own.exchange->has("left." + std::to_string(rank))) return;
  }
  own.exchange->end();
}

// Of destroy and abort: forgets the handle.
void leave(void* handle, const Communicator& own) {
  {
    std::lock_guard<std::mutex> lock(state().mutex);
    state().communicators.erase(handle);
  }
  leave_exchange(own);
}

__attribute__((destructor)) void at_exit() {
  State& all = state();
  std::lock_guard<std::mutex> lock(all.mutex);
  Counts calls;
  for (int row = 0; row < static_cast<int>(Row::count); row++) {
    if (all.calls[row] > 0) calls.emplace_back(symbols[row], all.calls[row]);
  }
  if (calls.empty()) return;
  for (const auto& [handle, own] : all.communicators) leave_exchange(*own);
  add_to_report("{\"library\":\"nccl\",\"pid\":" + std::to_string(getpid()) + ",\"seed\":0,\"calls\":" + object_of(calls) +
                ",\"work\":0,\"injected\":" + std::to_string(all.injected) + ",\"afterFault\":0,\"pending\":0,\"refused\":" + list_of(all.refused) +
                ",\"faults\":[],\"held\":" + object_of({{"communicators", all.communicators.size()}}) + "}");
}

}  // namespace

int version(int* version) {
  if (const int code = enter(Row::version); code != 0) return code;
  *version = library_version();
  return NCCL_SUCCESS;
}

const char* error_text(int code) {
  enter(Row::error_text);
  const char* const texts[] = {"no error", "unhandled driver error", "unhandled system error", "internal error",
                               "invalid argument", "invalid usage", "remote process exited or there was a network error", "in progress"};
  return code >= 0 && code <= NCCL_IN_PROGRESS ? texts[code] : "unknown result code";
}

const char* last_error(void* handle) {
  enter(Row::last_error);
  static thread_local std::string words;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return "";
  std::lock_guard<std::mutex> lock(own->mutex);
  words = own->words;
  return words.c_str();
}

int unique_id(NcclUniqueId* id) {
  if (const int code = enter(Row::unique_id); code != 0) return code;
  const std::string drawn = drawn_id();
  // What is behind the text counts too, as all 128 bytes do.
  std::memset(id->bytes, 0x5a, sizeof(id->bytes));
  std::memcpy(id->bytes, drawn.c_str(), drawn.size() + 1);
  return NCCL_SUCCESS;
}

int init(void** communicator, int ranks, NcclUniqueId id, int rank, NcclConfig* config) {
  if (const int code = enter(Row::init); code != 0) return code;
  if (const int code = check_config(config); code != 0) return code;
  if (ranks < 1 || rank < 0 || rank >= ranks) return refuse(NCCL_INVALID_ARGUMENT, "there is no rank " + std::to_string(rank));
  if (std::memchr(id.bytes, '\0', 64) == nullptr || id.bytes[127] != 0x5a) return refuse(NCCL_INVALID_ARGUMENT, "the unique id is damaged");
  const DriverPieces& driver = driver_pieces();
  if (driver.enqueue == nullptr) return refuse(NCCL_SYSTEM_ERROR, "no stand-in of a driver is loaded");
  auto own = std::make_shared<Communicator>();
  own->exchange = std::make_shared<Exchange>(id.bytes);
  own->ranks = ranks;
  own->rank = rank;
  own->device = driver.current();
  own->blocking = config == nullptr || config->blocking != 0;
  char pci[32] = "";
  if (own->device < 0 || driver.pci(pci, sizeof(pci), own->device) != 0) return refuse(NCCL_UNHANDLED_DRIVER_ERROR, "no device is current");
  if (!own->exchange->put("rank." + std::to_string(rank), pci)) return refuse(NCCL_INVALID_ARGUMENT, "there is such a rank already");
  {
    std::lock_guard<std::mutex> lock(state().mutex);
    *communicator = reinterpret_cast<void*>(0x5acc000000000000u + (state().next += 64));
    state().communicators[*communicator] = own;
  }
  if (!own->blocking) return NCCL_IN_PROGRESS;
  while (!all_there(*own)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  if (own->error == NCCL_SUCCESS) return NCCL_SUCCESS;
  refuse(own->error, own->words);
  leave(*communicator, *own);
  *communicator = nullptr;
  return own->error;
}

int async_error(void* handle, int* result) {
  if (const int code = enter(Row::async_error); code != 0) return code;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return refuse(NCCL_INVALID_ARGUMENT, "this is no communicator");
  std::vector<Call> calls;
  {
    std::lock_guard<std::mutex> lock(own->mutex);
    const bool waits = (!own->initialised && !all_there(*own)) || (!own->deferred.empty() && !own->polled);
    own->polled = own->initialised;
    *result = own->error != NCCL_SUCCESS ? own->error : waits ? NCCL_IN_PROGRESS : own->finalized.load();
    if (*result == NCCL_SUCCESS) calls.swap(own->deferred);
  }
  if (!calls.empty()) *result = enqueue_calls(own, std::move(calls));
  return NCCL_SUCCESS;
}

int finalize(void* handle) {
  if (const int code = enter(Row::finalize); code != 0) return code;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return refuse(NCCL_INVALID_ARGUMENT, "this is no communicator");
  if (own->pieces > 0) return refuse(NCCL_INVALID_USAGE, "stricter: its work, or a graph that holds some, is not at its end");
  const char* const set = std::getenv("LOCKSTEP_STANDIN_NCCL_FINALIZE");
  if (set != nullptr && *set != '\0') own->finalized = std::atoi(set);
  return NCCL_SUCCESS;
}

int destroy(void* handle) {
  if (const int code = enter(Row::destroy); code != 0) return code;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return refuse(NCCL_INVALID_ARGUMENT, "this is no communicator");
  if (own->pieces > 0) return refuse(NCCL_INVALID_USAGE, "stricter: its work, or a graph that holds some, is not at its end");
  if (own->finalized != NCCL_SUCCESS) return refuse(NCCL_INVALID_USAGE, "stricter: it is not finalized");
  leave(handle, *own);
  return NCCL_SUCCESS;
}

// Ends what waits for other ranks; returns when no graph holds work of the communicator any more, as NCCL does since 2.26.
int abort(void* handle) {
  if (const int code = enter(Row::abort); code != 0) return code;
  const std::shared_ptr<Communicator> own = communicator_of(handle);
  if (own == nullptr) return refuse(NCCL_INVALID_ARGUMENT, "this is no communicator");
  own->aborted = true;
  const char* const late = std::getenv("LOCKSTEP_STANDIN_NCCL_ABORT_MS");
  if (late != nullptr) std::this_thread::sleep_for(std::chrono::milliseconds(std::atoll(late)));
  while (own->pieces > 0 && library_version() >= 22600) {
    driver_pieces().pump();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  leave(handle, *own);
  return NCCL_SUCCESS;
}

int group_start() {
  if (const int code = enter(Row::group_start); code != 0) return code;
  group_depth++;
  return NCCL_SUCCESS;
}

int group_end() {
  if (const int code = enter(Row::group_end); code != 0) {
    // One that fails drops its calls.
    if (group_depth > 0 && --group_depth == 0) grouped().clear();
    return code;
  }
  if (group_depth == 0) return refuse(NCCL_INVALID_USAGE, "no group was begun");
  if (--group_depth > 0) return NCCL_SUCCESS;
  std::vector<Grouped> all;
  all.swap(grouped());
  int result = NCCL_SUCCESS;
  while (!all.empty()) {
    const std::shared_ptr<Communicator> own = all.front().communicator;
    std::vector<Call> calls;
    std::vector<Grouped> others;
    for (const Grouped& one : all) {
      if (one.communicator == own) calls.push_back(one.call);
      else others.push_back(one);
    }
    if (const int code = issue(own, std::move(calls)); code != 0) result = code;
    all.swap(others);
  }
  return result;
}

int all_reduce(const void* from, void* to, size_t count, int type, int op, void* communicator, void* stream) {
  return call_on(Row::all_reduce, communicator, stream, {Kind::all_reduce, from, to, count, type, op, 0});
}

int all_gather(const void* from, void* to, size_t count, int type, void* communicator, void* stream) {
  return call_on(Row::all_gather, communicator, stream, {Kind::all_gather, from, to, count, type, 0, 0});
}

int reduce_scatter(const void* from, void* to, size_t count, int type, int op, void* communicator, void* stream) {
  return call_on(Row::reduce_scatter, communicator, stream, {Kind::reduce_scatter, from, to, count, type, op, 0});
}

int broadcast(const void* from, void* to, size_t count, int type, int root, void* communicator, void* stream) {
  return call_on(Row::broadcast, communicator, stream, {Kind::broadcast, from, to, count, type, 0, root});
}

int reduce(const void* from, void* to, size_t count, int type, int op, int root, void* communicator, void* stream) {
  return call_on(Row::reduce, communicator, stream, {Kind::reduce, from, to, count, type, op, root});
}

int send(const void* from, size_t count, int type, int peer, void* communicator, void* stream) {
  return call_on(Row::send, communicator, stream, {Kind::send, from, nullptr, count, type, 0, peer});
}

int receive(void* to, size_t count, int type, int peer, void* communicator, void* stream) {
  return call_on(Row::receive, communicator, stream, {Kind::receive, nullptr, to, count, type, 0, peer});
}

}  // namespace standin
