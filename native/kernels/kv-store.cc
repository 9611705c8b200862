#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t { QKV, SLOTS, CACHE, N, PITCH, KEY_OFFSET, KV_HEADS, HEAD_DIM };

constexpr lockstep_argument arguments[] = {{"qkv", LOCKSTEP_IN, 4},       {"slots", LOCKSTEP_IN, 8},
                                           {"cache", LOCKSTEP_INOUT, 4},  {"n", LOCKSTEP_I32, 0},
                                           {"pitch", LOCKSTEP_I32, 0},    {"keyOffset", LOCKSTEP_I32, 0},
                                           {"kvHeads", LOCKSTEP_I32, 0},  {"headDim", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (refuse_any_below(arguments, a, {N, KEY_OFFSET}, 0, error) != 0) return 1;
  if (refuse_any_below(arguments, a, {KV_HEADS, HEAD_DIM}, 1, error) != 0) return 1;
  const int64_t width = bytes_of(a[KV_HEADS].scalar * 2, a[HEAD_DIM].scalar);
  if (a[PITCH].scalar - a[KEY_OFFSET].scalar < width) {
    return refuse(error, "pitch is %lld; keys and values from column %lld on need %lld", static_cast<long long>(a[PITCH].scalar),
                  static_cast<long long>(a[KEY_OFFSET].scalar), static_cast<long long>(a[KEY_OFFSET].scalar + width));
  }
  required[QKV] = float_bytes(a[N].scalar, a[PITCH].scalar);
  required[SLOTS] = bytes_of(a[N].scalar, 8);
  return 0;
}

int64_t items(const lockstep_value* a) { return bytes_of(a[N].scalar * 2, a[KV_HEADS].scalar * a[HEAD_DIM].scalar); }

}  // namespace

KernelInfo kv_store_info() { return kernel_info("kv_store", arguments, check, items, items); }

}  // namespace lockstep
