#include <algorithm>
#include <cinttypes>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"dst", LOCKSTEP_OUT, 4}, {"value", LOCKSTEP_I32, 0}, {"count", LOCKSTEP_I64, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t count = a[2].scalar;
  if (count < 0) return report(error, "count is %" PRId64 "; give 0 or more", count);
  required[0] = bytes_of(count, 4);
  return 0;
}

int32_t run(const lockstep_value* a, lockstep_error*) {
  std::fill_n(static_cast<int32_t*>(a[0].address), a[2].scalar, static_cast<int32_t>(a[1].scalar));
  return 0;
}

}  // namespace

// fill(dst i32[count], value i32, count i64).
lockstep_kernel fill_kernel() { return {"fill", 3, arguments, check, run}; }

}  // namespace lockstep
