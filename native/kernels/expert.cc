#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"rows", LOCKSTEP_IN, 4}, {"routed", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0},   {"rank", LOCKSTEP_I32, 0},  {"ranks", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t rank = a[4].scalar;
  const int64_t ranks = a[5].scalar;
  if (refuse_below("n", a[3].scalar, 0, error) != 0 || refuse_below("ranks", ranks, 1, error) != 0) return 1;
  if (rank < -1 || rank >= ranks) {
    return refuse(error, "rank is %lld of %lld; give a rank, or -1 for all", static_cast<long long>(rank),
                  static_cast<long long>(ranks));
  }
  for (int i = 0; i < 3; i++) required[i] = bytes_of(a[3].scalar, 4);
  return 0;
}

int64_t items(const lockstep_value* a) { return a[3].scalar; }

}  // namespace

KernelInfo expert_info() { return kernel_info("expert", arguments, check, items); }

}  // namespace lockstep
