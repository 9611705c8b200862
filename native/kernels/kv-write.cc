#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {
    {"ids", LOCKSTEP_IN, 4}, {"slots", LOCKSTEP_IN, 8}, {"cache", LOCKSTEP_INOUT, 4}, {"n", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = bytes_of(a[3].scalar, 4);
  required[1] = bytes_of(a[3].scalar, 8);
  return refuse_below("n", a[3].scalar, 0, error);
}

int64_t items(const lockstep_value* a) { return a[3].scalar; }

}  // namespace

KernelInfo kv_write_info() { return kernel_info("kv_write", arguments, check, items); }

}  // namespace lockstep
