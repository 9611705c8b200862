// What the addon does below its JS classes, on several threads at once as workers of Node are, for ThreadSanitizer: threads DEVICE CASE.
// DEVICE is "host" or a card's, such as "cuda". Prints nothing where all is as it should be.
#include "threads.h"

using namespace threads;

namespace {

constexpr size_t words = 1024;
constexpr size_t bytes = 4 * words;

std::vector<int32_t> numbers(int32_t first) {
  std::vector<int32_t> values(words);
  for (size_t i = 0; i < words; i++) values[i] = first + static_cast<int32_t>(i);
  return values;
}

// Three streams ordered by events, a capture of two of them, and its replays; all is dropped while it is queued.
void round_of_streams(Rank& rank, int32_t round) {
  const auto a = rank.device->allocate(bytes), b = rank.device->allocate(bytes), c = rank.device->allocate(bytes);
  const auto fork = rank.device->create_event(), join = rank.device->create_event(), last = rank.device->create_event();
  auto& [first, second, third] = rank.streams;
  rank.upload(*first, b, numbers(round));
  first->record(*fork);
  second->wait(*fork);
  second->copy(b, 0, c, 0, bytes);
  second->record(*join);
  first->wait(*join);
  // As a warm-up does.
  rank.pool->reset();
  const size_t room = rank.pool->take(bytes);
  rank.pool->reset();
  first->begin_capture(rank.pool);
  check(rank.pool->take(bytes) == room, "the pool gave another place in the capture");
  rank.fill(*first, rank.pool->buffer, round);
  first->record(*fork);
  second->wait(*fork);
  second->copy(c, 0, a, 0, bytes);
  second->record(*join);
  first->copy(rank.pool->buffer, 0, b, 0, bytes);
  first->wait(*join);
  const auto graph = first->end_capture()->instantiate();
  for (int times = 0; times < 3; times++) first->launch_graph(*graph);
  first->record(*last);
  third->wait(*last);
  rank.expect(*third, b, std::vector<int32_t>(words, round), "what the graph filled");
  rank.expect(*third, a, numbers(round), "what the graph copied");
  rank.fill(*third, a, round);
  graph->dispose();
}

void streams(const std::string& device) {
  const auto work = [&] {
    Rank rank(device);
    for (int32_t round = 0; round < 30; round++) round_of_streams(rank, round);
  };
  // The process's main thread leaves its streams' work to their threads.
  std::vector<std::thread> workers;
  for (int i = 0; i < 2; i++) workers.emplace_back(work);
  work();
  for (auto& worker : workers) worker.join();
}

// As promises wait: on threads of a pool, while the stream's own thread goes on and uses marks again.
void waiters(const std::string& device) {
  on_threads(2, [&](int) {
    Rank rank(device);
    const auto buffer = rank.device->allocate(bytes);
    std::vector<std::thread> waiting;
    for (int32_t round = 0; round < 150; round++) {
      Stream& stream = *rank.streams[static_cast<size_t>(round % 3)];
      const auto own = rank.device->allocate(bytes);
      rank.fill(stream, own, round);
      const std::shared_ptr<Mark> mark = stream.retire_mark();
      mark->expect();
      waiting.emplace_back([mark] { check(reached(*mark), "a mark was never reached"); });
      if (round % 7 == 0) rank.expect(stream, own, std::vector<int32_t>(words, round), "a fill");
    }
    for (auto& thread : waiting) thread.join();
  });
}

// A stream goes while its work runs and others wait for it.
void disposal(const std::string& device) {
  on_threads(2, [&](int) {
    for (int round = 0; round < 16; round++) {
      Rank rank(device);
      const auto buffer = rank.device->allocate(bytes);
      for (int i = 0; i < 20; i++) rank.fill(*rank.streams[0], buffer, i);
      const std::shared_ptr<Mark> mark = rank.streams[0]->retire_mark();
      mark->expect();
      std::thread waiting([mark] { check(reached(*mark), "the mark of a stream that went was never reached"); });
      if (round % 2 == 0) rank.streams[0]->dispose();
      else rank.device->close();
      waiting.join();
    }
  });
}

// Launches large enough to be shared out to the process's helpers, which serve one of the ranks at a time.
void shared_launches(const std::string& device) {
  constexpr int32_t one = 0x3f800000, two = 0x40000000, five_hundred_twelve = 0x44000000;
  constexpr size_t n = 2, k = 256, m = 1024;
  on_threads(3, [&](int) {
    Rank rank(device);
    Stream& stream = *rank.streams[0];
    const auto x = rank.device->allocate(n * k * 4), w = rank.device->allocate(m * k * 4), out = rank.device->allocate(n * m * 4);
    rank.fill(stream, x, one);
    rank.fill(stream, w, two);
    for (int round = 0; round < 30; round++) {
      rank.fill(stream, out, round);
      stream.launch(rank.kernels, rank.kernel_of("matmul"),
                    {{x, 0, 0}, {w, 0, 0}, {out, 0, 0}, {nullptr, 0, n}, {nullptr, 0, k}, {nullptr, 0, m}});
      if (round % 5 == 0) rank.expect(stream, out, std::vector<int32_t>(n * m, five_hundred_twelve), "a product");
    }
    // The last are dropped with their device.
  });
}

// Ranks of one process: each reads what the others posted. With `lost`, one ends the group while the others wait for it.
void local(const std::string& device, bool lost) {
  constexpr int size = 3;
  std::atomic<int> done{0};
  on_threads(size, [&](int number) {
    Rank rank(device);
    Stream& stream = *rank.streams[0];
    auto group = std::make_shared<LocalCommunicator>(*rank.device, lost ? "lost" : "whole", number, size);
    const auto own = rank.device->allocate(bytes), all = rank.device->allocate(size * bytes);
    std::vector<PeerCopy> copies;
    for (int32_t peer = 0; peer < size; peer++) copies.push_back({peer, 0, static_cast<size_t>(peer) * bytes, bytes});
    const auto exchange = [&](int32_t round) {
      rank.fill(stream, own, 10 * round + number);
      group->post(stream, {own, 0, bytes, {}}, {round});
      while (!group->arrived(50)) continue;
      group->collect(stream, all, 0, copies);
    };
    const auto check_round = [&](int32_t round) {
      std::vector<int32_t> values;
      for (int32_t peer = 0; peer < size; peer++) values.insert(values.end(), words, 10 * round + peer);
      rank.expect(stream, all, values, "what the ranks gathered");
    };
    const auto rounds = [&](int32_t count) {
      for (int32_t round = 0; round < count; round++) {
        exchange(round);
        if (round % 8 == number) check_round(round);
      }
    };
    if (lost && number == 1) {
      rounds(20);
      return group->abort("ERR_CANCELLED", "it was told to.", {});
    }
    if (lost) return check(code_of([&] { rounds(100); }) == "ERR_RANK_LOST", "a lost rank was not told of");
    rounds(100);
    check_round(99);
    rank.finish(stream);
    // None leaves before the others have what it posted.
    done++;
    while (done.load() < size) std::this_thread::yield();
  });
}

// A card each. With `late`, the last rank does not come to a collective, and the others' threads that watch end their groups.
void nccl(const std::string& kind, bool late) {
  constexpr int size = 2;
  const NcclLibrary* const library = load_nccl(kind == "cuda" ? Vendor::cuda : Vendor::hip, nullptr);
  check(library != nullptr, "no library of collectives");
  NcclUniqueId id = {};
  check(library->table.unique_id(&id) == NCCL_SUCCESS, "no unique id");
  on_threads(size, [&](int number) {
    Rank rank(kind + ":" + std::to_string(number));
    auto& stream = rank.streams[0];
    const auto own = rank.device->allocate(bytes), all = rank.device->allocate(size * bytes);
    const auto group = std::make_shared<NcclGroup>(*rank.device, *library, std::vector<NcclUniqueId>{id}, number, size, late ? 3000 : 20000);
    const auto gather = [&] {
      group->begin(stream, CollectiveKind::all_gather, {own, 0, bytes}, {all, 0, size * bytes}, std::vector<size_t>(size, words));
      while (!group->settled(50)) continue;
    };
    gather();
    rank.finish(*stream);
    stream->begin_capture(nullptr);
    rank.fill(*stream, own, number + 1);
    gather();
    auto graph = stream->end_capture()->instantiate();
    for (int round = 0; round < 20; round++) stream->launch_graph(*graph);
    std::vector<int32_t> values;
    for (int32_t peer = 0; peer < size; peer++) values.insert(values.end(), words, peer + 1);
    rank.expect(*stream, all, values, "what a captured collective gathered");
    if (late) {
      if (number == 0) stream->launch_graph(*graph);
      const std::string code = number > 0 ? "ERR_COLLECTIVE_TIMEOUT" : code_of([&] { rank.finish(*stream); });
      check(code == "ERR_COLLECTIVE_TIMEOUT", "the group ended with " + code);
    }
    graph->dispose();
    group->leave();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!group->released(50)) check(std::chrono::steady_clock::now() < end, "a communicator was not given back");
  });
}

}  // namespace

int main(int, char** arguments) {
  const std::string device = arguments[1], name = arguments[2];
  try {
    if (name == "streams") streams(device);
    else if (name == "waiters") waiters(device);
    else if (name == "disposal") disposal(device);
    else if (name == "shared launches") shared_launches(device);
    else if (name == "local") local(device, false);
    else if (name == "local, lost") local(device, true);
    else if (name == "nccl") nccl(device, false);
    else if (name == "nccl, late") nccl(device, true);
    else check(false, "no case " + name);
  } catch (const std::exception& error) {
    std::puts(error.what());
    return 1;
  }
}
