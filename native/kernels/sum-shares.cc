#include <cinttypes>
#include <cstdint>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {
    {"shares", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4}, {"count", LOCKSTEP_I64, 0}, {"ranks", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t count = a[2].scalar;
  const int64_t ranks = a[3].scalar;
  if (count < 0) return report(error, "count is %" PRId64 "; give 0 or more", count);
  if (ranks < 1) return report(error, "ranks is %" PRId64 "; give 1 or more", ranks);
  required[1] = bytes_of(count, 4);
  required[0] = bytes_of(required[1], ranks);
  return 0;
}

int32_t run(const lockstep_value* a, lockstep_error*) {
  const auto* shares = static_cast<const uint32_t*>(a[0].address);
  auto* out = static_cast<uint32_t*>(a[1].address);
  const int64_t count = a[2].scalar;
  for (int64_t i = 0; i < count; i++) {
    uint32_t sum = 0;
    for (int64_t rank = 0; rank < a[3].scalar; rank++) sum += shares[rank * count + i];
    out[i] = sum;
  }
  return 0;
}

}  // namespace

// sum_shares(shares i32[ranks * count], out i32[count], count i64, ranks): out[i] = the sum of shares[r * count + i], modulo 2^32.
lockstep_kernel sum_shares_kernel() { return {"sum_shares", 4, arguments, check, run}; }

}  // namespace lockstep
