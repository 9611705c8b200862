#include "ranks.h"

namespace bench {

namespace {

using namespace lockstep;

int sum(Rank& r, uint64_t memory, size_t count, int type = NCCL_INT32) {
  return r.n.all_reduce(in(memory), out(memory), count, type, NCCL_SUM, r.communicator, r.stream);
}

// Polls until the communicator says how it is, while its stream goes on.
int outcome(Rank& r, void* event) {
  for (int i = 0; i < 100000; i++) {
    if (const int health = r.health(); health != NCCL_SUCCESS) return health;
    if (r.b.d.event_query(event) == 0) return NCCL_SUCCESS;
  }
  return NCCL_IN_PROGRESS;
}

// Ranks that differ in a count, a type or a kind are reported with both ranks' words, and the abort of both ends it.
void differing(const Libraries& libraries) {
  std::atomic<int> seen{0};
  on_threads(libraries, 2, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, 2, rank);
    const uint64_t memory = r.words({1, 2, 3, 4});
    succeed(sum(r, memory, rank == 0 ? 4 : 3), "all_reduce");
    check(outcome(r, r.b.recorded(r.stream)) == NCCL_INVALID_USAGE, "the difference went unseen");
    const std::string words = r.n.last_error(r.communicator);
    check(words.find("all_reduce of 4 int32 by sum") != std::string::npos && words.find("all_reduce of 3 int32 by sum") != std::string::npos,
          "the words are: " + words);
    seen++;
    succeed(r.n.abort(r.communicator), "abort");
    r.b.wait(r.stream);
  });
  check(seen == 2, "one rank did not see it");
}

// A rank that never comes; another thread's abort ends the wait.
void hanging(const Libraries& libraries) {
  setenv("LOCKSTEP_STANDIN_NCCL_HANG", "1:2", 1);
  on_threads(libraries, 2, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, 2, rank);
    const uint64_t memory = r.words({1});
    succeed(sum(r, memory, 1), "all_reduce");
    succeed(sum(r, memory, 1), "all_reduce");
    void* const event = r.b.recorded(r.stream);
    for (int i = 0; i < 2000; i++) check(r.b.d.event_query(event) == c::error_not_ready, "it did not hang");
    std::thread([&] { succeed(r.n.abort(r.communicator), "abort"); }).join();
    r.b.wait(r.stream);
  });
}

// Abort returns once no graph holds work of the communicator.
void abort_waits_for_graphs(const Libraries& libraries) {
  on_threads(libraries, 1, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, 1, rank);
    const uint64_t memory = r.words({1});
    r.b.wait(r.stream);
    succeed(r.b.d.capture_begin(r.stream, c::capture_thread_local), "capture_begin");
    succeed(sum(r, memory, 1), "all_reduce");
    void* const graph = r.b.graph(r.stream);
    std::atomic<bool> returned{false};
    std::thread aborting([&] {
      r.n.abort(r.communicator);
      returned = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    const bool early = returned;
    succeed(r.b.d.graph_destroy(graph), "graph_destroy");
    aborting.join();
    check(!early, "abort returned although a graph held its work");
  });
}

void one_device(const Libraries& libraries) {
  on_threads(libraries, 2, [&](const NcclUniqueId& id, int rank) {
    check(Rank(libraries, id, 2, rank, {}, 0).made == NCCL_INVALID_USAGE, "two ranks shared a device");
  });
}

void configurations(const Libraries& libraries) {
  const auto made = [&](const std::function<void(NcclConfig&)>& change) {
    NcclConfig config;
    change(config);
    return Rank(libraries, fresh_id(libraries), 1, 0, config).made;
  };
  succeed(made([](NcclConfig&) {}), "init");
  check(made([](NcclConfig& config) { config.magic++; }) == NCCL_INVALID_ARGUMENT, "magic");
  check(made([](NcclConfig& config) { config.size -= 8; }) == NCCL_INVALID_ARGUMENT, "size");
  check(made([](NcclConfig& config) { config.version = 99999; }) == NCCL_INVALID_ARGUMENT, "version");
  check(made([](NcclConfig& config) { config.blocking = 2; }) == NCCL_INVALID_ARGUMENT, "blocking");
  NcclUniqueId cut = fresh_id(libraries);
  cut.bytes[127] = 0;
  check(Rank(libraries, cut, 1, 0).made == NCCL_INVALID_ARGUMENT, "an id that lost its end");
}

void arguments(const Libraries& libraries) {
  Rank r(libraries, fresh_id(libraries), 1, 0);
  const uint64_t memory = r.words({1, 2});
  check(sum(r, memory, 2, 99) == NCCL_INVALID_ARGUMENT, "a type that is none");
  check(sum(r, memory, 3) == NCCL_INVALID_ARGUMENT, "memory that is too short");
  check(r.n.broadcast(in(memory), out(memory), 2, NCCL_INT32, 1, r.communicator, r.stream) == NCCL_INVALID_ARGUMENT, "a root that is none");
  check(r.n.group_end() == NCCL_INVALID_USAGE, "the end of no group");
  succeed(sum(r, memory, 2), "all_reduce");
  void* const other = r.b.stream();
  check(r.n.all_reduce(in(memory), out(memory), 2, NCCL_INT32, NCCL_SUM, r.communicator, other) == NCCL_INVALID_USAGE, "a second stream");
  r.b.wait(r.stream);
  succeed(r.n.destroy(r.communicator), "destroy");
  check(r.n.destroy(r.communicator) == NCCL_INVALID_ARGUMENT, "a second destroy");
}

}  // namespace

std::vector<Behaviour> collective_rules() {
  return {{"differing", differing},   {"hanging", hanging},     {"abort_waits_for_graphs", abort_waits_for_graphs},
          {"one_device", one_device}, {"configurations", configurations}, {"arguments", arguments}};
}

}  // namespace bench
