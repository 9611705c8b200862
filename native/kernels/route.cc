#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"logits", LOCKSTEP_IN, 4}, {"chosen", LOCKSTEP_OUT, 4}, {"weights", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0},     {"experts", LOCKSTEP_I32, 0}, {"k", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t experts = a[4].scalar;
  const int64_t k = a[5].scalar;
  if (refuse_below("n", a[3].scalar, 0, error) != 0 || refuse_any_below(arguments, a, {4, 5}, 1, error) != 0) return 1;
  if (k > experts) {
    return refuse(error, "k is %lld of %lld experts", static_cast<long long>(k), static_cast<long long>(experts));
  }
  required[0] = float_bytes(a[3].scalar, experts);
  required[1] = bytes_of(a[3].scalar * k, 4);
  required[2] = required[1];
  return 0;
}

int64_t items(const lockstep_value* a) { return a[3].scalar; }

}  // namespace

KernelInfo route_info() { return kernel_info("route", arguments, check, items); }

}  // namespace lockstep
