#pragma once

#include "report.h"

namespace lockstep {

// out[i] = the sum of shares[r * count + i] over the ranks r, modulo 2^32.
LOCKSTEP_BODY void sum_shares(Grid grid, const int* shares, int64, int* out, int64, int64 count, int ranks, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < count; i += grid.stride) {
    unsigned int sum = 0;
    for (int64 rank = 0; rank < ranks; rank++) sum += static_cast<unsigned int>(shares[rank * count + i]);
    out[i] = static_cast<int>(sum);
  }
}

}  // namespace lockstep
