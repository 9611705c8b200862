#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"dst", LOCKSTEP_OUT, 4}, {"value", LOCKSTEP_I32, 0}, {"count", LOCKSTEP_I64, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = bytes_of(a[2].scalar, 4);
  return refuse_below("count", a[2].scalar, 0, error);
}

int64_t items(const lockstep_value* a) { return a[2].scalar; }

}  // namespace

KernelInfo fill_info() { return kernel_info("fill", arguments, check, items); }

}  // namespace lockstep
