#pragma once

#include "padded-rows.h"

namespace lockstep {

LOCKSTEP_BODY void clear_share(char* to, int64 bytes, int64 lane, int64 lanes) {
  for (int64 i = lane; i < bytes; i += lanes) to[i] = 0;
}

// padded[r][i] = the i-th row of rank r in the view, or zero from row counts[r] on: what a collective of equal shares takes.
LOCKSTEP_BODY void gather_rows(Grid grid, const char* view, int64 view_bytes, const int* counts, int64, char* padded, int64,
                               int ranks, int pitch, int row_bytes, Report* report) {
  if (is_failed(report)) return;
  const PaddedRows rows = {view_bytes, counts, pitch, row_bytes, KERNEL_gather_rows, report};
  PaddedPlace place = {0, 0};
  for (int64 item = grid.index; item < static_cast<int64>(ranks) * pitch * grid.lanes; item += grid.stride) {
    const int64 row = item / grid.lanes;
    const int64 lane = item % grid.lanes;
    const int64 count = move_to_rank(rows, place, row / pitch);
    if (count < 0) return;
    const int64 index = row % pitch;
    char* const to = padded + row * row_bytes;
    if (index < count) {
      copy_share(to, view + (place.before + index) * row_bytes, row_bytes, lane, grid.lanes);
    } else {
      clear_share(to, row_bytes, lane, grid.lanes);
    }
  }
}

}  // namespace lockstep
