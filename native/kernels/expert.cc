#include <cinttypes>
#include <cstdint>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"rows", LOCKSTEP_IN, 4}, {"routed", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0},   {"rank", LOCKSTEP_I32, 0},  {"ranks", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t n = a[3].scalar;
  const int64_t rank = a[4].scalar;
  const int64_t ranks = a[5].scalar;
  if (n < 0) return report(error, "n is %" PRId64 "; give 0 or more", n);
  if (ranks < 1) return report(error, "ranks is %" PRId64 "; give 1 or more", ranks);
  if (rank < -1 || rank >= ranks) return report(error, "rank is %" PRId64 " of %" PRId64 "; give a rank, or -1 for all", rank, ranks);
  for (int i = 0; i < 3; i++) required[i] = bytes_of(n, 4);
  return 0;
}

// Spreads neighbouring ids over the experts.
uint32_t mix(uint32_t value) {
  value = (value ^ (value >> 16)) * 0x7feb352dU;
  value = (value ^ (value >> 15)) * 0x846ca68bU;
  return value ^ (value >> 16);
}

int32_t run(const lockstep_value* a, lockstep_error*) {
  const auto* rows = static_cast<const uint32_t*>(a[0].address);
  const auto* routed = static_cast<const uint32_t*>(a[1].address);
  auto* out = static_cast<uint32_t*>(a[2].address);
  const auto rank = static_cast<int32_t>(a[4].scalar);
  const auto ranks = static_cast<uint32_t>(a[5].scalar);
  for (int64_t i = 0; i < a[3].scalar; i++) {
    const uint32_t owner = mix(routed[i]) % ranks;
    const bool owned = rank < 0 || owner == static_cast<uint32_t>(rank);
    out[i] = owned ? rows[i] ^ (0x9e3779b9U * (owner + 1)) : 0;
  }
  return 0;
}

}  // namespace

// expert(rows i32[n], routed i32[n], out i32[n], n, rank, ranks): out[i] = rows[i] ^ mask(o), where rank o = owner(routed[i]) has the
// row's expert; 0 for rows of other ranks. Rank -1 owns all. Twice the same owner gives the row back.
lockstep_kernel expert_kernel() { return {"expert", 6, arguments, check, run}; }

}  // namespace lockstep
