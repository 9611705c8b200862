#include <cinttypes>
#include <cstring>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"src", LOCKSTEP_IN, 1}, {"dst", LOCKSTEP_OUT, 1}, {"bytes", LOCKSTEP_I64, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t bytes = a[2].scalar;
  if (bytes < 0) return report(error, "bytes is %" PRId64 "; give 0 or more", bytes);
  required[0] = bytes;
  required[1] = bytes;
  return 0;
}

int32_t run(const lockstep_value* a, lockstep_error*) {
  std::memmove(a[1].address, a[0].address, static_cast<size_t>(a[2].scalar));
  return 0;
}

}  // namespace

// copy(src, dst, bytes i64): the two may overlap.
lockstep_kernel copy_kernel() { return {"copy", 3, arguments, check, run}; }

}  // namespace lockstep
