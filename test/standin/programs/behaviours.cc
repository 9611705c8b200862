#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <thread>

#include "kernel.h"

// What the stand-in does where no rule is broken: behaviours <library> <cuda|hip> <name> [file]. A behaviour that does not hold is named on standard
// output, with exit code 1.
namespace {

using namespace bench;

constexpr size_t words = 256, bytes = words * 4;

std::vector<int> read(Bench& b, uint64_t memory, void* stream) {
  auto* const host = b.pinned<int>(words);
  succeed(b.d.copy_to_host(host, memory, bytes, stream), "copy_to_host");
  b.wait(stream);
  std::vector<int> read(host, host + words);
  succeed(b.d.host_free(host), "host_free");
  return read;
}

bool all(const std::vector<int>& values, int value) {
  return std::all_of(values.begin(), values.end(), [=](int one) { return one == value; });
}

struct Work {
  void* stream;
  void* other;
  Kernel kernel;
  uint64_t memory, report;

  explicit Work(Bench& b)
      : stream(b.stream()), other(b.stream()), kernel(b, "lockstep_test_add"), memory(b.memory(bytes)), report(b.memory(32)) {
    succeed(b.d.fill_words(report, 0, 8, stream), "fill_words");
    succeed(b.d.fill_words(memory, 0, words, stream), "fill_words");
    b.wait(stream);
  }
  void add(Bench& b, int value, void* on) const {
    succeed(kernel.launch(b, memory, bytes, value, report, on, 2, 128), "launch");
  }
  void set(Bench& b, unsigned value, void* on) const { succeed(b.d.fill_words(memory, value, words, on), "fill_words"); }
};

// Two streams, one of which waits for the other, give what one stream gives.
void streams_in_order(Bench& b) {
  const Work work(b);
  for (int i = 0; i < 20; i++) {
    work.set(b, 7, work.stream);
    succeed(b.d.stream_wait(work.other, b.recorded(work.stream), 0), "stream_wait");
    work.add(b, 1, work.other);
    succeed(b.d.stream_wait(work.stream, b.recorded(work.other), 0), "stream_wait");
    work.add(b, 2, work.stream);
    check(all(read(b, work.memory, work.stream), 10), "the sum is wrong");
  }
}

// Without the wait both orders come up: what is missing shows.
void streams_without_order(Bench& b) {
  const Work work(b);
  std::set<int> seen;
  for (int i = 0; i < 60; i++) {
    work.set(b, 7, work.stream);
    work.add(b, 1, work.other);
    b.wait(work.other);
    seen.insert(read(b, work.memory, work.stream)[0]);
  }
  check(seen == std::set<int>{7, 8}, "only one order was seen");
}

void* forked_graph(Bench& b, const Work& work, bool joined_before) {
  succeed(b.d.capture_begin(work.stream, c::capture_thread_local), "capture_begin");
  if (joined_before) work.set(b, 7, work.stream);
  succeed(b.d.stream_wait(work.other, b.recorded(work.stream), 0), "stream_wait");
  if (!joined_before) work.set(b, 7, work.stream);
  work.add(b, 1, work.other);
  succeed(b.d.stream_wait(work.stream, b.recorded(work.other), 0), "stream_wait");
  return b.graph(work.stream);
}

void replays_in_order(Bench& b) {
  const Work work(b);
  void* const graph = forked_graph(b, work, true);
  size_t nodes = 0, edges = 0;
  succeed(b.d.graph_nodes(graph, nullptr, &nodes), "graph_nodes");
  succeed(b.d.graph_edges(graph, nullptr, nullptr, &edges), "graph_edges");
  check(nodes == 2 && edges == 1, "the graph is another");
  void* const executable = b.executable(graph);
  succeed(b.d.graph_destroy(graph), "graph_destroy");
  if (b.d.graph_upload != nullptr) succeed(b.d.graph_upload(executable, work.stream), "graph_upload");
  for (int i = 0; i < 100; i++) {
    succeed(b.d.graph_launch(executable, work.stream), "graph_launch");
    check(all(read(b, work.memory, work.stream), 8), "a replay is wrong");
  }
  b.wait(work.stream);
  succeed(b.d.executable_destroy(executable), "executable_destroy");
}

void replays_without_order(Bench& b) {
  const Work work(b);
  void* const executable = b.executable(forked_graph(b, work, false));
  std::set<int> seen;
  for (int i = 0; i < 100; i++) {
    succeed(b.d.graph_launch(executable, work.stream), "graph_launch");
    seen.insert(read(b, work.memory, work.stream)[0]);
  }
  check(seen == std::set<int>{7, 8}, "only one order of the nodes was seen");
}

void captured_copy_reads_again(Bench& b) {
  const Work work(b);
  auto* const host = b.pinned<int>(words);
  succeed(b.d.capture_begin(work.stream, c::capture_thread_local), "capture_begin");
  succeed(b.d.copy_to_device(work.memory, host, bytes, work.stream), "copy_to_device");
  void* const executable = b.executable(b.graph(work.stream));
  for (int i = 1; i < 4; i++) {
    std::fill(host, host + words, i);
    succeed(b.d.graph_launch(executable, work.stream), "graph_launch");
    check(all(read(b, work.memory, work.stream), i), "the replay copied something else");
  }
}

// Registered memory is read when the copy runs, other memory at the call.
void copies_read_late_or_early(Bench& b) {
  const Work work(b);
  auto* const host = b.pinned<int>(words);
  std::fill(host, host + words, 1);
  succeed(b.d.copy_to_device(work.memory, host, bytes, work.stream), "copy_to_device");
  std::fill(host, host + words, 2);
  check(all(read(b, work.memory, work.stream), 2), "registered memory was read at the call");
  std::vector<int> pageable(words, 3);
  succeed(b.d.copy_to_device(work.memory, pageable.data(), bytes, work.stream), "copy_to_device");
  std::fill(pageable.begin(), pageable.end(), 4);
  check(all(read(b, work.memory, work.stream), 3), "pageable memory was read late");
}

void nothing_runs_unasked(Bench& b) {
  const Work work(b);
  auto* const host = b.pinned<int>(words);
  host[0] = -1;
  work.set(b, 5, work.stream);
  succeed(b.d.copy_to_host(host, work.memory, bytes, work.stream), "copy_to_host");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  check(host[0] == -1, "work ran before it was asked for");
  b.wait(work.stream);
  check(host[0] == 5, "work did not run");
}

void runs_by_itself(Bench& b) {
  const Work work(b);
  auto* const host = b.pinned<volatile int>(words);
  host[0] = -1;
  work.set(b, 5, work.stream);
  succeed(b.d.copy_to_host(const_cast<int*>(host), work.memory, bytes, work.stream), "copy_to_host");
  for (int i = 0; i < 10000 && host[0] == -1; i++) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  check(host[0] == 5, "work did not run");
}

void mapped_host_memory(Bench& b) {
  const Work work(b);
  auto* const host = b.pinned<int>(words);
  uint64_t address = 0;
  succeed(b.d.host_device_address(&address, host + 1, 0), "host_device_address");
  check(address != reinterpret_cast<uint64_t>(host + 1), "the device's address is the host's");
  succeed(work.kernel.launch(b, address, 4, 9, work.report, work.stream), "launch");
  b.wait(work.stream);
  check(host[0] == 0 && host[1] == 9 && host[2] == 0, "the kernel wrote elsewhere");
}

void host_cannot_read_device_memory(Bench& b) {
  const uint64_t memory = b.memory(64);
  std::printf("%d\n", *reinterpret_cast<volatile int*>(memory));
}

// Two launches of one graph on two streams come one after the other.
void launches_do_not_overlap(Bench& b) {
  const Work work(b);
  void* const executable = b.executable(forked_graph(b, work, true));
  for (int i = 0; i < 20; i++) {
    succeed(b.d.graph_launch(executable, work.stream), "graph_launch");
    succeed(b.d.graph_launch(executable, work.other), "graph_launch");
    b.wait(work.other);
    check(all(read(b, work.memory, work.stream), 8), "the launches mixed");
  }
}

void error_names(Bench& b) {
  const char* name = b.hip ? b.d.hip_error_name(900) : nullptr;
  if (!b.hip) succeed(b.d.cuda_error_name(900, &name), "cuda_error_name");
  check(name == std::string(b.hip ? "hipErrorStreamCaptureUnsupported" : "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"), "the name is wrong");
}

// Seen in the report when the process ends.
void leaves_things(Bench& b) {
  const Work work(b);
  b.pinned<int>(4);
  b.event();
  b.wait(work.stream);
}

void leaves_nothing(Bench& b) {
  {
    void* const stream = b.stream();
    const Kernel kernel(b, "lockstep_test_add");
    const uint64_t memory = b.memory(64);
    auto* const host = b.pinned<int>(16);
    succeed(b.d.copy_to_device(memory, host, 64, stream), "copy_to_device");
    b.wait(stream);
    succeed(b.d.host_free(host), "host_free");
    succeed(b.d.memory_free(memory), "memory_free");
    succeed(b.d.module_unload(kernel.module), "module_unload");
    succeed(b.d.stream_destroy(stream), "stream_destroy");
  }
}

void relaxed_thread_may_allocate(Bench& b) {
  void* const stream = b.stream();
  succeed(b.d.capture_begin(stream, c::capture_global), "capture_begin");
  std::thread([&] {
    b.use(0);
    int mode = c::capture_thread_local;
    succeed(b.d.capture_mode(&mode), "capture_mode");
    check(mode == c::capture_global, "the mode was another");
    b.memory(64);
  }).join();
  b.graph(stream);
}

// The packed image of the product's kernels loads, and a kernel of it copies. `file` is the image.
void packed_image(Bench& b, const char* file) {
  std::ifstream stream_of_file(file, std::ios::binary);
  std::vector<char> image{std::istreambuf_iterator<char>(stream_of_file), std::istreambuf_iterator<char>()};
  image.push_back('\0');
  void *module = nullptr, *function = nullptr;
  succeed(b.d.module_load(&module, image.data()), "module_load");
  succeed(b.d.module_function(&function, module, "lockstep_copy"), "module_function");
  const Work work(b);
  uint64_t from = work.memory, to = b.memory(bytes), report = work.report;
  int64_t from_bytes = bytes, to_bytes = bytes, count = bytes;
  work.set(b, 11, work.stream);
  void* parameters[] = {&from, &from_bytes, &to, &to_bytes, &count, &report};
  succeed(b.d.launch(function, 3, 1, 1, 64, 1, 1, 0, work.stream, parameters, nullptr), "launch");
  check(all(read(b, to, work.stream), 11), "the copy is wrong");
}

const std::pair<const char*, std::function<void(Bench&)>> behaviours[] = {
    {"streams_in_order", streams_in_order},
    {"streams_without_order", streams_without_order},
    {"replays_in_order", replays_in_order},
    {"replays_without_order", replays_without_order},
    {"captured_copy_reads_again", captured_copy_reads_again},
    {"copies_read_late_or_early", copies_read_late_or_early},
    {"nothing_runs_unasked", nothing_runs_unasked},
    {"runs_by_itself", runs_by_itself},
    {"mapped_host_memory", mapped_host_memory},
    {"host_cannot_read_device_memory", host_cannot_read_device_memory},
    {"launches_do_not_overlap", launches_do_not_overlap},
    {"error_names", error_names},
    {"leaves_things", leaves_things},
    {"leaves_nothing", leaves_nothing},
    {"relaxed_thread_may_allocate", relaxed_thread_may_allocate},
};

}  // namespace

int main(int count, char** arguments) {
  if (count < 4) return 2;
  const std::string name = arguments[3];
  try {
    Bench b(arguments[1], std::string(arguments[2]) == "hip");
    b.start();
    if (name == "packed_image" && count == 5) return packed_image(b, arguments[4]), 0;
    for (const auto& [known, behaviour] : behaviours) {
      if (name == known) return behaviour(b), 0;
    }
    std::printf("no such behaviour\n");
  } catch (const std::exception& error) {
    std::printf("%s\n", error.what());
  }
  return 1;
}
