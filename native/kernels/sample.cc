#include "sample.h"

#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"logits", LOCKSTEP_IN, 4},
                                           {"controls", LOCKSTEP_IN, 4},
                                           {"out", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0},
                                           {"vocab", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[3].scalar, a[4].scalar);
  required[1] = bytes_of(a[3].scalar * CONTROL_WORDS, 4);
  required[2] = bytes_of(a[3].scalar, 4);
  return refuse_below("n", a[3].scalar, 0, error) || refuse_below("vocab", a[4].scalar, 1, error);
}

int64_t items(const lockstep_value* a) { return a[3].scalar; }

// A pass over the row, and some more where top-k or top-p cut it.
int64_t work(const lockstep_value* a) { return bytes_of(bytes_of(a[3].scalar, a[4].scalar), 8); }

}  // namespace

KernelInfo sample_info() { return kernel_info("sample", arguments, check, items, work); }

}  // namespace lockstep
