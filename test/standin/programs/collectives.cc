#include "ranks.h"

// collectives <driver> <nccl> <cuda|hip> <name>: what the stand-in of NCCL does, over that of a driver.
namespace {

using namespace bench;
using namespace lockstep;

constexpr int ranks = 3;

// Every collective once, against what plain arithmetic says.
void every_kind(Rank& r) {
  succeed(r.made, "init");
  const int me = r.rank;
  const auto issue = [&](int code, const char* name) { succeed(code, name); };
  const uint64_t from = r.words({me + 1, 10 * me, 7}), to = r.words(std::vector<int>(9));
  issue(r.n.all_reduce(in(from), out(to), 3, NCCL_INT32, NCCL_SUM, r.communicator, r.stream), "all_reduce");
  check(r.read(to, 3) == std::vector<int>({6, 30, 21}), "all_reduce");
  issue(r.n.all_reduce(in(from), out(to), 3, NCCL_INT32, NCCL_MAX, r.communicator, r.stream), "all_reduce");
  check(r.read(to, 3) == std::vector<int>({3, 20, 7}), "all_reduce by max");
  issue(r.n.all_gather(in(from), out(to), 3, NCCL_INT32, r.communicator, r.stream), "all_gather");
  check(r.read(to, 9) == std::vector<int>({1, 0, 7, 2, 10, 7, 3, 20, 7}), "all_gather");
  issue(r.n.reduce_scatter(in(from), out(to), 1, NCCL_INT32, NCCL_SUM, r.communicator, r.stream), "reduce_scatter");
  check(r.read(to, 1) == std::vector<int>({me == 0 ? 6 : me == 1 ? 30 : 21}), "reduce_scatter");
  issue(r.n.broadcast(in(from), out(to), 3, NCCL_INT32, 1, r.communicator, r.stream), "broadcast");
  check(r.read(to, 3) == std::vector<int>({2, 10, 7}), "broadcast");
  issue(r.n.all_reduce(in(from), out(to), 0, NCCL_INT32, NCCL_SUM, r.communicator, r.stream), "all_reduce of nothing");
  const uint64_t sum = r.words({-1, -1, -1});
  issue(r.n.reduce(in(from), out(sum), 3, NCCL_INT32, NCCL_SUM, 2, r.communicator, r.stream), "reduce");
  check(r.read(sum, 3) == (me == 2 ? std::vector<int>({6, 30, 21}) : std::vector<int>({-1, -1, -1})), "reduce");
  // Each sends to the next, in one group: neither order of the two calls waits for the other.
  const uint64_t got = r.words({0, 0, 0});
  succeed(r.n.group_start(), "group_start");
  issue(r.n.receive(out(got), 3, NCCL_INT32, (me + ranks - 1) % ranks, r.communicator, r.stream), "receive");
  issue(r.n.send(in(from), 3, NCCL_INT32, (me + 1) % ranks, r.communicator, r.stream), "send");
  succeed(r.n.group_end(), "group_end");
  check(r.read(got, 1)[0] == (me + ranks - 1) % ranks + 1, "send and receive");
  succeed(r.n.finalize(r.communicator), "finalize");
  succeed(r.n.destroy(r.communicator), "destroy");
}

void threads(const Libraries& libraries) {
  on_threads(libraries, ranks, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, ranks, rank);
    every_kind(r);
  });
}

void processes(const Libraries& libraries) {
  in_processes(libraries, ranks, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, ranks, rank);
    every_kind(r);
  });
}

// Rows of unequal counts: grouped broadcasts, one a root, without those that have none.
void variable_gather(const Libraries& libraries) {
  on_threads(libraries, ranks, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, ranks, rank);
    const int counts[ranks] = {2, 0, 1};
    const uint64_t from = r.words({rank * 10, rank * 10 + 1}), to = r.words({-1, -1, -1});
    succeed(r.n.group_start(), "group_start");
    size_t place = 0;
    for (int root = 0; root < ranks; root++) {
      const auto count = static_cast<size_t>(counts[root]);
      if (count > 0) succeed(r.n.broadcast(in(from), out(to + place * 4), count, NCCL_INT32, root, r.communicator, r.stream), "broadcast");
      place += count;
    }
    succeed(r.n.group_end(), "group_end");
    check(r.read(to, 3) == std::vector<int>({0, 1, 20}), "the rows are wrong");
  });
}

void captured(const Libraries& libraries) {
  on_threads(libraries, 2, [&](const NcclUniqueId& id, int rank) {
    Rank r(libraries, id, 2, rank);
    const uint64_t memory = r.words({rank + 1});
    r.b.wait(r.stream);
    succeed(r.b.d.capture_begin(r.stream, c::capture_thread_local), "capture_begin");
    succeed(r.n.all_reduce(in(memory), out(memory), 1, NCCL_INT32, NCCL_SUM, r.communicator, r.stream), "all_reduce");
    void* const graph = r.b.graph(r.stream);
    void* const executable = r.b.executable(graph);
    check(r.read(memory, 1)[0] == rank + 1, "the capture ran");
    for (int replay = 0; replay < 5; replay++) succeed(r.b.d.graph_launch(executable, r.stream), "graph_launch");
    check(r.read(memory, 1)[0] == 3 * 16, "the replays are wrong");
    check(r.n.destroy(r.communicator) == NCCL_INVALID_USAGE, "destroyed under a graph");
    succeed(r.b.d.graph_destroy(graph), "graph_destroy");
    succeed(r.b.d.executable_destroy(executable), "executable_destroy");
    succeed(r.n.destroy(r.communicator), "destroy");
  });
}

// Calls of a non-blocking communicator are on the stream only after a poll says so.
void non_blocking(const Libraries& libraries) {
  on_threads(libraries, 2, [&](const NcclUniqueId& id, int rank) {
    NcclConfig config;
    config.blocking = 0;
    Rank r(libraries, id, 2, rank, config);
    check(r.made == NCCL_IN_PROGRESS, "init did not say that it goes on");
    while (r.health() == NCCL_IN_PROGRESS) {
    }
    const uint64_t memory = r.words({rank + 1});
    check(r.n.all_reduce(in(memory), out(memory), 1, NCCL_INT32, NCCL_SUM, r.communicator, r.stream) == NCCL_IN_PROGRESS, "all_reduce");
    check(r.read(memory, 1)[0] == rank + 1, "the call was on the stream before a poll");
    check(r.n.all_reduce(in(memory), out(memory), 1, NCCL_INT32, NCCL_SUM, r.communicator, r.stream) == NCCL_INVALID_USAGE, "a call in progress");
    while (r.health() == NCCL_IN_PROGRESS) {
    }
    check(r.read(memory, 1)[0] == 3, "all_reduce is wrong");
  });
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 5) return 2;
  setenv("LOCKSTEP_STANDIN_DEVICES", "3", 0);
  const Libraries libraries{arguments[1], arguments[2], arguments[3] == std::string("hip")};
  std::vector<Behaviour> all = {{"threads", threads}, {"processes", processes}, {"variable_gather", variable_gather},
                                {"captured", captured}, {"non_blocking", non_blocking}};
  for (const Behaviour& rule : collective_rules()) all.push_back(rule);
  try {
    for (const auto& [name, behaviour] : all) {
      if (arguments[4] == std::string(name)) return behaviour(libraries), 0;
    }
    std::printf("no such behaviour\n");
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
  }
  return 1;
}
