// What `lockstep bench --device` measures, as a C++ program on the driver does it: replay LIBRARY IMAGE. Prints JSON: nanoseconds of a
// launch, and of a graph of 64 launches until it was run.
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "gpu/driver-constants.h"

namespace {

#ifdef REPLAY_HIP
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) constexpr const char* name_##field = hip;
#else
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) constexpr const char* name_##field = cuda;
#endif
#include "gpu/driver-symbols.inc"
#undef ROW

#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) int(*field) parameters = nullptr;
#include "gpu/driver-symbols.inc"
#undef ROW

void must(int code, const char* what) {
  if (code == 0) return;
  std::fprintf(stderr, "%s gave %d\n", what, code);
  std::exit(1);
}
#define MUST(call) must(call, #call)

// Null where a vendor has no such function.
void* find(void* library, const char* name) { return name == nullptr ? nullptr : dlsym(library, name); }

void load(const char* path) {
  void* const library = dlopen(path, RTLD_NOW);
  if (library == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(1);
  }
#define ROW(name, parameters, cuda, cuda_need, hip, hip_need) \
  name = reinterpret_cast<int(*) parameters>(find(library, name_##name));
#include "gpu/driver-symbols.inc"
#undef ROW
}

double ns_of(size_t times, void (*work)(void*), void* of, void* stream) {
  std::vector<double> rounds;
  void* event = nullptr;
  MUST(event_create(&event, lockstep::driver_constant::event_disable_timing));
  for (int round = 0; round < 11; round++) {
    MUST(event_record(event, stream));
    while (event_query(event) != 0) {}
    const auto began = std::chrono::steady_clock::now();
    for (size_t i = 0; i < times; i++) work(of);
    rounds.push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - began).count() / static_cast<double>(times));
  }
  MUST(event_destroy(event));
  std::sort(rounds.begin(), rounds.end());
  return rounds[rounds.size() / 2];
}

struct Work {
  void* stream = nullptr;
  void* function = nullptr;
  void* graph = nullptr;
  void* event = nullptr;
  uint64_t buffer = 0;
  uint64_t report = 0;

  // fill(dst, value, count), as the backend launches it: a buffer is its address and its bytes.
  void fill() {
    int64_t bytes = 4;
    int32_t value = 1;
    int64_t count = 1;
    void* parameters[] = {&buffer, &bytes, &value, &count, &report};
    MUST(launch(function, 1, 1, 1, 256, 1, 1, 0, stream, parameters, nullptr));
  }
  void replay() {
    MUST(graph_launch(graph, stream));
    MUST(event_record(event, stream));
    while (event_query(event) != 0) {}
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: replay LIBRARY IMAGE\n");
    return 2;
  }
  load(arguments[1]);
  MUST(init(0));
  int device = 0;
  MUST(device_get(&device, 0));
  if (context_retain != nullptr) {
    void* context = nullptr;
    MUST(context_retain(&context, device));
    MUST(context_current(context));
  } else {
    MUST(device_current(device));
  }
  std::ifstream file(arguments[2], std::ios::binary);
  const std::string image{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  void* module = nullptr;
  MUST(module_load(&module, image.data()));
  Work work;
  MUST(module_function(&work.function, module, "lockstep_fill"));
  MUST(stream_create(&work.stream, lockstep::driver_constant::stream_non_blocking, 0));
  MUST(memory_allocate(&work.buffer, 4));
  MUST(memory_allocate(&work.report, 32));
  MUST(fill_words(work.report, 0, 8, work.stream));
  MUST(event_create(&work.event, lockstep::driver_constant::event_disable_timing));
  MUST(capture_begin(work.stream, lockstep::driver_constant::capture_thread_local));
  for (int i = 0; i < 64; i++) work.fill();
  void* recorded = nullptr;
  MUST(capture_end(work.stream, &recorded));
  MUST(graph_instantiate(&work.graph, recorded, 0));
  work.replay();
  const double launched = ns_of(256, [](void* of) { static_cast<Work*>(of)->fill(); }, &work, work.stream);
  const double replayed = ns_of(64, [](void* of) { static_cast<Work*>(of)->replay(); }, &work, work.stream);
  std::printf("{\"launch\":%.1f,\"replay\":%.1f}\n", launched, replayed);
  MUST(executable_destroy(work.graph));
  MUST(graph_destroy(recorded));
  MUST(event_destroy(work.event));
  MUST(memory_free(work.report));
  MUST(memory_free(work.buffer));
  MUST(module_unload(module));
  MUST(stream_destroy(work.stream));
}
