#include <cinttypes>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {
    {"ids", LOCKSTEP_IN, 4}, {"slots", LOCKSTEP_IN, 8}, {"cache", LOCKSTEP_INOUT, 4}, {"n", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t n = a[3].scalar;
  if (n < 0) return report(error, "n is %" PRId64 "; give 0 or more", n);
  required[0] = bytes_of(n, 4);
  required[1] = bytes_of(n, 8);
  return 0;
}

int32_t run(const lockstep_value* a, lockstep_error* error) {
  const auto* ids = static_cast<const int32_t*>(a[0].address);
  const auto* slots = static_cast<const int64_t*>(a[1].address);
  auto* cache = static_cast<int32_t*>(a[2].address);
  const int64_t capacity = a[2].bytes / 4;
  for (int64_t i = 0; i < a[3].scalar; i++) {
    const int64_t slot = slots[i];
    if (slot == -1) continue;
    if (slot < 0 || slot >= capacity) {
      return report(error, "slots[%" PRId64 "] is %" PRId64 ", the cache has %" PRId64 " slots", i, slot, capacity);
    }
    cache[slot] = ids[i];
  }
  return 0;
}

}  // namespace

// kv_write(ids i32[n], slots i64[n], cache i32[numSlots], n): cache[slots[i]] = ids[i], where slots[i] is not -1 (padding).
lockstep_kernel kv_write_kernel() { return {"kv_write", 4, arguments, check, run}; }

}  // namespace lockstep
