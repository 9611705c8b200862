#include "advance-positions.h"

#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t { SOURCE, ACCEPTED, CONTROLS, ROWS, MAX_DRAFTS };

constexpr lockstep_argument arguments[] = {{"source", LOCKSTEP_IN, 4},
                                           {"accepted", LOCKSTEP_IN, 4},
                                           {"controls", LOCKSTEP_INOUT, 4},
                                           {"n", LOCKSTEP_I32, 0},
                                           {"maxDrafts", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[SOURCE] = bytes_of(a[ROWS].scalar, 4);
  required[CONTROLS] = bytes_of(a[ROWS].scalar * CONTROL_WORDS, 4);
  return refuse_any_below(arguments, a, {ROWS, MAX_DRAFTS}, 0, error);
}

int64_t items(const lockstep_value* a) { return a[ROWS].scalar; }

}  // namespace

KernelInfo advance_positions_info() { return kernel_info("advance_positions", arguments, check, items); }

}  // namespace lockstep
