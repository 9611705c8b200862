#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t { SAMPLED, NEXT, FIRST, ACCEPTED, OUT, REQUESTS, TOKENS, MAX_DRAFTS };

constexpr lockstep_argument arguments[] = {{"sampled", LOCKSTEP_IN, 4},  {"next", LOCKSTEP_IN, 4}, {"first", LOCKSTEP_IN, 4},
                                           {"accepted", LOCKSTEP_OUT, 4}, {"out", LOCKSTEP_OUT, 4}, {"n", LOCKSTEP_I32, 0},
                                           {"tokens", LOCKSTEP_I32, 0},   {"maxDrafts", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  for (const int32_t scalar : {REQUESTS, TOKENS, MAX_DRAFTS}) {
    if (refuse_below(arguments[scalar].name, a[scalar].scalar, 0, error) != 0) return 1;
  }
  for (const int32_t buffer : {SAMPLED, NEXT}) required[buffer] = bytes_of(a[TOKENS].scalar, 4);
  for (const int32_t buffer : {FIRST, ACCEPTED}) required[buffer] = bytes_of(a[REQUESTS].scalar, 4);
  required[OUT] = bytes_of(a[REQUESTS].scalar * (1 + a[MAX_DRAFTS].scalar), 4);
  return 0;
}

int64_t items(const lockstep_value* a) { return a[REQUESTS].scalar; }

}  // namespace

KernelInfo accept_drafts_info() { return kernel_info("accept_drafts", arguments, check, items); }

}  // namespace lockstep
