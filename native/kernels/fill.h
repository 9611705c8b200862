#pragma once

#include "report.h"

namespace lockstep {

// dst[i] = value for each i below count.
LOCKSTEP_BODY void fill(Grid grid, int* dst, int64, int value, int64 count, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < count; i += grid.stride) dst[i] = value;
}

}  // namespace lockstep
