#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"x", LOCKSTEP_IN, 4},  {"w", LOCKSTEP_IN, 4},  {"out", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0}, {"k", LOCKSTEP_I32, 0}, {"m", LOCKSTEP_I32, 0}};

enum : int32_t { X, CHOSEN, W, OUT, N, K, K_DIM, M, FIRST, COUNT, PER_CHOICE };

constexpr lockstep_argument expert_arguments[] = {
    {"x", LOCKSTEP_IN, 4},      {"chosen", LOCKSTEP_IN, 4}, {"w", LOCKSTEP_IN, 4},      {"out", LOCKSTEP_OUT, 4},
    {"n", LOCKSTEP_I32, 0},     {"k", LOCKSTEP_I32, 0},     {"kDim", LOCKSTEP_I32, 0},  {"m", LOCKSTEP_I32, 0},
    {"first", LOCKSTEP_I32, 0}, {"count", LOCKSTEP_I32, 0}, {"perChoice", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[3].scalar, a[4].scalar);
  required[1] = float_bytes(a[5].scalar, a[4].scalar);
  required[2] = float_bytes(a[3].scalar, a[5].scalar);
  return refuse_below("n", a[3].scalar, 0, error) || refuse_any_below(arguments, a, {4, 5}, 1, error);
}

int64_t items(const lockstep_value* a) { return bytes_of(a[3].scalar, a[5].scalar); }

int64_t work(const lockstep_value* a) { return bytes_of(items(a), a[4].scalar); }

int32_t check_expert(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (refuse_any_below(expert_arguments, a, {N, FIRST, COUNT, PER_CHOICE}, 0, error) != 0) return 1;
  if (refuse_any_below(expert_arguments, a, {K, K_DIM, M}, 1, error) != 0) return 1;
  if (a[PER_CHOICE].scalar > 1) {
    return refuse(error, "perChoice is %lld; give 0 or 1", static_cast<long long>(a[PER_CHOICE].scalar));
  }
  const int64_t choices = a[N].scalar * a[K].scalar;
  required[X] = float_bytes(a[PER_CHOICE].scalar == 1 ? choices : a[N].scalar, a[K_DIM].scalar);
  required[CHOSEN] = bytes_of(choices, 4);
  required[W] = bytes_of(float_bytes(a[COUNT].scalar, a[M].scalar), a[K_DIM].scalar);
  required[OUT] = float_bytes(choices, a[M].scalar);
  return 0;
}

int64_t expert_items(const lockstep_value* a) { return bytes_of(a[N].scalar * a[K].scalar, a[M].scalar); }

int64_t expert_work(const lockstep_value* a) { return bytes_of(expert_items(a), a[K_DIM].scalar); }

}  // namespace

KernelInfo matmul_info() { return kernel_info("matmul", arguments, check, items, work); }

KernelInfo expert_matmul_info() { return kernel_info("expert_matmul", expert_arguments, check_expert, expert_items, expert_work); }

}  // namespace lockstep
