#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"src", LOCKSTEP_IN, 1}, {"dst", LOCKSTEP_OUT, 1}, {"bytes", LOCKSTEP_I64, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = a[2].scalar;
  required[1] = a[2].scalar;
  return refuse_below("bytes", a[2].scalar, 0, error);
}

int64_t items(const lockstep_value* a) { return a[2].scalar / static_cast<int64_t>(sizeof(Word)) + 1; }

}  // namespace

KernelInfo copy_info() { return kernel_info("copy", arguments, check, items); }

}  // namespace lockstep
