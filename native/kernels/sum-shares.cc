#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {
    {"shares", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4}, {"count", LOCKSTEP_I64, 0}, {"ranks", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (refuse_below("count", a[2].scalar, 0, error) != 0 || refuse_below("ranks", a[3].scalar, 1, error) != 0) return 1;
  required[1] = bytes_of(a[2].scalar, 4);
  required[0] = bytes_of(required[1], a[3].scalar);
  return 0;
}

int64_t items(const lockstep_value* a) { return a[2].scalar; }

}  // namespace

KernelInfo sum_shares_info() { return kernel_info("sum_shares", arguments, check, items); }

}  // namespace lockstep
