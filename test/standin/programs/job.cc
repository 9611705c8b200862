#include <functional>

#include "kernel.h"

// A job as the backend's should be, over the driver's table: job <library> <cuda|hip> [careless]. It runs twice and prints, as JSON, how each run
// ended. A run that fails lets go of all it had, unless the context is dead: then no call is made any more. A careless one lets go of nothing.
namespace {

using namespace bench;

struct Failure {
  std::string name;
  int code;
  bool sticky() const { return code >= 700 && code < 720 && code != 701 && code != 712 && code != 713; }
};

bool careless = false, dead = false;

// Letting go reports what happened earlier too.
void notice(int code) { dead = dead || Failure{"", code}.sticky(); }

void call(int code, const char* name) {
  if (code == 0) return;
  notice(code);
  throw Failure{name, code};
}

// What a run made, in the order of making; it goes in the other order.
class Made {
 public:
  ~Made() {
    while (!undo_.empty()) {
      if (!careless && !dead) notice(undo_.back()());
      undo_.pop_back();
    }
  }
  void then(std::function<int()> undo) { undo_.push_back(std::move(undo)); }

 private:
  std::vector<std::function<int()>> undo_;
};

void wait(Bench& b, Made& made, void* stream) {
  void* event = nullptr;
  call(b.d.event_create(&event, c::event_disable_timing), "event_create");
  made.then([&b, event] { return b.d.event_destroy(event); });
  call(b.d.event_record(event, stream), "event_record");
  int code = 0;
  while ((code = b.d.event_query(event)) == c::error_not_ready) {
  }
  call(code, "event_query");
}

void run(Bench& b) {
  Made made;
  constexpr size_t words = 64, bytes = words * 4;
  void *stream = nullptr, *host = nullptr, *module = nullptr, *function = nullptr, *graph = nullptr, *executable = nullptr;
  uint64_t memory = 0, report = 0;
  call(b.d.stream_create(&stream, c::stream_non_blocking, 0), "stream_create");
  made.then([&] { return b.d.stream_destroy(stream); });
  for (uint64_t* const address : {&memory, &report}) {
    call(b.d.memory_allocate(address, bytes), "memory_allocate");
    made.then([&b, address] { return b.d.memory_free(*address); });
  }
  call(b.d.host_allocate(&host, bytes, c::host_allocate_portable), "host_allocate");
  made.then([&] { return b.d.host_free(host); });
  // What was enqueued uses what goes next: it has to end first.
  struct Settled {
    Bench& b;
    void* stream;
    bool settled = false;
    ~Settled() {
      if (settled || dead || careless) return;
      void* event = nullptr;
      if (b.d.event_create(&event, c::event_disable_timing) != 0) return;
      if (b.d.event_record(event, stream) == 0) {
        while (b.d.event_query(event) == c::error_not_ready) {
        }
      }
      b.d.event_destroy(event);
    }
  } settled{b, stream};
  const std::vector<char> image = image_with(b.hip, {"lockstep_test_add"}, b.hip ? 0x4c : 90);
  call(b.d.module_load(&module, image.data()), "module_load");
  made.then([&] { return b.d.module_unload(module); });
  call(b.d.module_function(&function, module, "lockstep_test_add"), "module_function");

  call(b.d.capture_begin(stream, c::capture_thread_local), "capture_begin");
  try {
    call(b.d.copy_to_device(memory, host, bytes, stream), "copy_to_device");
    int64_t length = bytes;
    int32_t value = 2;
    void* parameters[] = {&memory, &length, &value, &report};
    call(b.d.launch(function, 1, 1, 1, 64, 1, 1, 0, stream, parameters, nullptr), "launch");
    call(b.d.copy_to_host(host, memory, bytes, stream), "copy_to_host");
  } catch (const Failure&) {
    void* abandoned = nullptr;
    if (!dead && !careless && b.d.capture_end(stream, &abandoned) == 0) notice(b.d.graph_destroy(abandoned));
    throw;
  }
  const int ended = b.d.capture_end(stream, &graph);
  // One that failed has not ended the capture: the stream would capture for ever.
  notice(ended);
  if (ended != 0 && !dead && !careless && b.d.capture_end(stream, &graph) == 0) b.d.graph_destroy(graph);
  call(ended, "capture_end");
  made.then([&] { return b.d.graph_destroy(graph); });
  call(b.d.graph_instantiate(&executable, graph, 0), "graph_instantiate");
  made.then([&] { return b.d.executable_destroy(executable); });
  auto* const values = static_cast<int*>(host);
  for (size_t i = 0; i < words; i++) values[i] = static_cast<int>(i);
  for (int replay = 0; replay < 3; replay++) {
    call(b.d.graph_launch(executable, stream), "graph_launch");
    wait(b, made, stream);
  }
  settled.settled = true;
  for (size_t i = 0; i < words; i++) check(values[i] == static_cast<int>(i) + 6, "the sum is wrong");
}

std::string outcome(Bench& b, bool& started) {
  if (dead) return "lost";
  try {
    if (!started) b.start();
    started = true;
    run(b);
    return "ok";
  } catch (const Failure& failure) {
    return failure.name + " " + std::to_string(failure.code);
  } catch (const std::exception& error) {
    return error.what();
  }
}

}  // namespace

int main(int count, char** words) {
  careless = count > 3 && words[3] == std::string("careless");
  Bench b(words[1], words[2] == std::string("hip"));
  bool started = false;
  const std::string first = outcome(b, started);
  std::printf("{\"first\":\"%s\",\"second\":\"%s\"}\n", first.c_str(), outcome(b, started).c_str());
  return 0;
}
