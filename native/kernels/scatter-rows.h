#pragma once

#include "padded-rows.h"

namespace lockstep {

// The i-th row of rank r in the view = padded[r][i], for i below counts[r]: what a collective of equal shares gave, packed. The
// view's rows after those of the last rank are left alone.
LOCKSTEP_BODY void scatter_rows(Grid grid, const char* padded, int64, const int* counts, int64, char* view, int64 view_bytes,
                                int ranks, int pitch, int row_bytes, Report* report) {
  if (is_failed(report)) return;
  const PaddedRows rows = {view_bytes, counts, pitch, row_bytes, KERNEL_scatter_rows, report};
  PaddedPlace place = {0, 0};
  for (int64 item = grid.index; item < static_cast<int64>(ranks) * pitch * grid.lanes; item += grid.stride) {
    const int64 row = item / grid.lanes;
    const int64 count = move_to_rank(rows, place, row / pitch);
    if (count < 0) return;
    const int64 index = row % pitch;
    if (index >= count) continue;
    copy_share(view + (place.before + index) * row_bytes, padded + row * row_bytes, row_bytes, item % grid.lanes, grid.lanes);
  }
}

}  // namespace lockstep
