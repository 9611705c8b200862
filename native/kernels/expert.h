#pragma once

#include "report.h"

namespace lockstep {

// Spreads neighbouring ids over the experts.
LOCKSTEP_BODY unsigned mix(unsigned value) {
  value = (value ^ (value >> 16)) * 0x7feb352du;
  value = (value ^ (value >> 15)) * 0x846ca68bu;
  return value ^ (value >> 16);
}

// out[i] = rows[i] ^ mask(o), where rank o = owner(routed[i]) has the row's expert; 0 for rows of other ranks. Rank -1 owns all.
// Twice the same owner gives the row back.
LOCKSTEP_BODY void expert(Grid grid, const int* rows, int64, const int* routed, int64, int* out, int64, int n, int rank, int ranks,
                          Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const unsigned owner = mix(static_cast<unsigned>(routed[i])) % static_cast<unsigned>(ranks);
    const bool owned = rank < 0 || owner == static_cast<unsigned>(rank);
    out[i] = owned ? static_cast<int>(static_cast<unsigned>(rows[i]) ^ (0x9e3779b9u * (owner + 1))) : 0;
  }
}

}  // namespace lockstep
