#pragma once

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "gpu/driver-constants.h"
#include "gpu/driver.h"

// What programs that call a driver through the product's table share.
namespace bench {

namespace c = lockstep::cuda_constant;

inline lockstep::Driver open_driver(const char* library, bool hip) {
  void* const opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) throw std::runtime_error(dlerror());
  lockstep::Driver driver;
  const auto find = [opened](auto& field, const char* symbol) {
    if (symbol != nullptr) field = reinterpret_cast<std::remove_reference_t<decltype(field)>>(dlsym(opened, symbol));
  };
#define ROW(field, parameters, cuda, cuda_need, hip_symbol, hip_need) find(driver.field, hip ? hip_symbol : cuda);
#include "gpu/driver-symbols.inc"
#undef ROW
  find(driver.cuda_error_name, hip ? nullptr : "cuGetErrorName");
  find(driver.hip_error_name, hip ? "hipGetErrorName" : nullptr);
  return driver;
}

inline std::string report_of(const char* library) {
  const auto give = reinterpret_cast<const char* (*)()>(dlsym(dlopen(library, RTLD_NOW), "lockstep_standin_report"));
  return give == nullptr ? "" : give();
}

// The number behind a key of the report.
inline long counted(const std::string& report, const std::string& key) {
  const size_t at = report.find("\"" + key + "\":");
  return at == std::string::npos ? -1 : std::atol(report.c_str() + at + key.size() + 3);
}

inline void check(bool good, const std::string& what) {
  if (!good) throw std::runtime_error(what);
}

inline void succeed(int code, const std::string& what) { check(code == 0, what + " gave " + std::to_string(code)); }

// A started driver with device 0 current on the calling thread, and short words for what rules need.
struct Bench {
  lockstep::Driver d;
  bool hip;

  Bench(const char* library, bool is_hip) : d(open_driver(library, is_hip)), hip(is_hip) {}

  void start() {
    succeed(d.init(0), "init");
    use(0);
  }
  void use(int device) {
    void* context = nullptr;
    if (hip) return succeed(d.device_current(device), "device_current");
    succeed(d.context_retain(&context, device), "context_retain");
    succeed(d.context_current(context), "context_current");
  }
  void* stream() {
    void* made = nullptr;
    succeed(d.stream_create(&made, c::stream_non_blocking, 0), "stream_create");
    return made;
  }
  void* event(unsigned flags = c::event_disable_timing) {
    void* made = nullptr;
    succeed(d.event_create(&made, flags), "event_create");
    return made;
  }
  void* recorded(void* stream) {
    void* const made = event();
    succeed(d.event_record(made, stream), "event_record");
    return made;
  }
  uint64_t memory(size_t bytes) {
    uint64_t address = 0;
    succeed(d.memory_allocate(&address, bytes), "memory_allocate");
    return address;
  }
  template <class T>
  T* pinned(size_t count) {
    void* host = nullptr;
    succeed(d.host_allocate(&host, count * sizeof(T), c::host_allocate_portable | c::host_allocate_mapped), "host_allocate");
    return static_cast<T*>(host);
  }
  void wait(void* stream) {
    void* const event = recorded(stream);
    int code = 0;
    while ((code = d.event_query(event)) == c::error_not_ready) {
    }
    succeed(code, "event_query");
    succeed(d.event_destroy(event), "event_destroy");
  }
  void* graph(void* stream) {
    void* made = nullptr;
    succeed(d.capture_end(stream, &made), "capture_end");
    return made;
  }
  void* executable(void* graph) {
    void* made = nullptr;
    succeed(d.graph_instantiate(&made, graph, 0), "graph_instantiate");
    return made;
  }
};

// A code object that has nothing but names: for the pretended GPU, or for another.
std::vector<char> image_with(bool hip, const std::vector<std::string>& entries, int arch);

}  // namespace bench
