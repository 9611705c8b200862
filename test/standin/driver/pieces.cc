#include "../shared/pieces.h"

#include "capture.h"
#include "entry.h"
#include "memory.h"
#include "work.h"

#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED int lockstep_standin_enqueue(void* on, const char* name, standin_step step, void (*release)(void*), void* state) {
  std::lock_guard<std::mutex> lock(standin::world().mutex);
  const std::shared_ptr<void> held(state, release);
  const std::shared_ptr<standin::Stream> stream = standin::stream_of(on);
  if (stream == nullptr) return standin::refuse(standin::constant::error_invalid_handle, standin::no_stream);
  const auto run = [held, step] {
    if (const int code = step(held.get(), 1); code != 0) throw standin::Fault{code, "a collective"};
  };
  return standin::submit(*stream, {name, run, [held, step] { return step(held.get(), 0) != 0; }});
}

EXPORTED void* lockstep_standin_resolve(int device, uint64_t address, size_t bytes) {
  try {
    return standin::resolve(device, address, bytes);
  } catch (const standin::Fault&) {
    return nullptr;
  }
}

EXPORTED int lockstep_standin_resolves(int device, uint64_t address, size_t bytes) {
  std::lock_guard<std::mutex> lock(standin::world().mutex);
  return standin::resolves(device, address, bytes) ? 1 : 0;
}

EXPORTED void lockstep_standin_pump() {
  std::lock_guard<std::mutex> lock(standin::world().mutex);
  standin::pump(16);
}

EXPORTED int lockstep_standin_current() { return standin::current().device; }
