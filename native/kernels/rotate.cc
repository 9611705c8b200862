#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t { QKV, POSITIONS, COSINES, SINES, N, HEADS, HEAD_DIM, PITCH, MAX_POSITIONS };

constexpr lockstep_argument arguments[] = {
    {"qkv", LOCKSTEP_INOUT, 4}, {"positions", LOCKSTEP_IN, 8}, {"cosines", LOCKSTEP_IN, 4},
    {"sines", LOCKSTEP_IN, 4},  {"n", LOCKSTEP_I32, 0},        {"heads", LOCKSTEP_I32, 0},
    {"headDim", LOCKSTEP_I32, 0}, {"pitch", LOCKSTEP_I32, 0},  {"maxPositions", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (refuse_any_below(arguments, a, {N, HEADS, MAX_POSITIONS}, 0, error) != 0) return 1;
  if (refuse_below("headDim", a[HEAD_DIM].scalar, 2, error) != 0) return 1;
  if (a[HEAD_DIM].scalar % 2 != 0) {
    return refuse(error, "headDim is %lld; give an even one", static_cast<long long>(a[HEAD_DIM].scalar));
  }
  if (refuse_below("pitch", a[PITCH].scalar, a[HEADS].scalar * a[HEAD_DIM].scalar, error) != 0) return 1;
  required[QKV] = float_bytes(a[N].scalar, a[PITCH].scalar);
  required[POSITIONS] = bytes_of(a[N].scalar, 8);
  required[COSINES] = float_bytes(a[MAX_POSITIONS].scalar, a[HEAD_DIM].scalar / 2);
  required[SINES] = required[COSINES];
  return 0;
}

int64_t items(const lockstep_value* a) { return bytes_of(a[N].scalar, a[HEADS].scalar * (a[HEAD_DIM].scalar / 2)); }

}  // namespace

KernelInfo rotate_info() { return kernel_info("rotate", arguments, check, items, items); }

}  // namespace lockstep
