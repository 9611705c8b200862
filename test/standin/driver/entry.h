#pragma once

#include <string>

#include "world.h"

namespace standin {

enum class Row : int {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) field,
#include "gpu/driver-symbols.inc"
#undef ROW
  count
};

// The symbol of a row in this library, or null.
const char* symbol_of(Row row);

enum class Needs {
  nothing,
  // The driver was started.
  start,
  // A device is current on the thread, and its context is alive.
  device,
  // The same, and no capture forbids what a capture cannot hold: the vendors call these functions unsafe.
  device_outside_captures,
};

// What every function begins with: the lock, the count, the injected failure, and the states in which it is refused.
class Entry {
 public:
  Entry(Row row, Needs needs);
  int code = 0;

 private:
  std::unique_lock<std::mutex> lock_;
};

// Remembers, and prints, a breach of the vendors' rules or of the stricter ones here; gives `code` back.
int refuse(int code, const std::string& text);

// Kills the context of a device: every later call returns the code.
void kill_device(int device, int code, const std::string& text);

// Counts one piece of executed work; nonzero is the failure injected for it.
int injected_work();

// Invalidates the captures that forbid an unsafe call of this thread; whether there were any.
bool forbidden_by_capture();

#define ENTER(row, needs)                         \
  Entry entry(Row::row, Needs::needs);            \
  if (entry.code != constant::success) return entry.code

// Every function of the table is exported by the vendor's symbol; the others stay inside.
#define EXPORTED_required(field, parameters, symbol) \
  extern "C" __attribute__((visibility("default"))) int field parameters __asm__(symbol);
#define EXPORTED_optional(field, parameters, symbol) EXPORTED_required(field, parameters, symbol)
#define EXPORTED_absent(field, parameters, symbol) extern "C" __attribute__((unused)) int field parameters __asm__("standin_" #field);
#ifdef STANDIN_HIP
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) EXPORTED_##hip_need(field, parameters, hip)
#else
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) EXPORTED_##cuda_need(field, parameters, cuda)
#endif
#include "gpu/driver-symbols.inc"
#undef ROW

}  // namespace standin
