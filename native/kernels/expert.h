#pragma once

#include "report.h"

namespace lockstep {

// Spreads neighbouring ids over the experts.
LOCKSTEP_BODY unsigned int mixed(unsigned int value) {
  value = (value ^ (value >> 16)) * 0x7feb352dU;
  value = (value ^ (value >> 15)) * 0x846ca68bU;
  return value ^ (value >> 16);
}

// out[i] = rows[i] ^ mask(o), where rank o = owner(routed[i]) has the row's expert, and 0 where that is not `rank`. Rank -1 owns all
// rows. Changed twice by the same owner, a row is what it was.
LOCKSTEP_BODY void expert(Grid grid, const int* rows, int64, const int* routed, int64, int* out, int64, int n, int rank,
                          int ranks, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const unsigned int owner = mixed(static_cast<unsigned int>(routed[i])) % static_cast<unsigned int>(ranks);
    const bool owned = rank < 0 || owner == static_cast<unsigned int>(rank);
    out[i] = owned ? rows[i] ^ static_cast<int>(0x9e3779b9U * (owner + 1)) : 0;
  }
}

}  // namespace lockstep
