#pragma once

#include "copy.h"

namespace lockstep {

// Rows of a view, packed rank after rank, beside a buffer that has room for `pitch` rows of each rank. `counts[r]` rows are rank
// r's. An item is a lane of a row of the padded buffer.
struct PaddedRows {
  int64 view_bytes;
  const int* counts;
  int64 pitch;
  int64 row_bytes;
  Kernel kernel;
  Report* report;
};

// Where a thread is: the rank of its row, and the rows of the view before that rank's.
struct PaddedPlace {
  int64 rank;
  int64 before;
};

// Rows of a rank, or -1 after a report.
LOCKSTEP_BODY int64 rows_of_rank(const PaddedRows& a, int64 rank, int64 before) {
  const int64 count = a.counts[rank];
  if (count < 0 || count > a.pitch) {
    fail(a.report, a.kernel, FAULT_ROW_COUNT, rank, count, a.pitch);
    return -1;
  }
  const int64 room = a.view_bytes / a.row_bytes;
  if (before + count > room) {
    fail(a.report, a.kernel, FAULT_VIEW_FULL, room, rank, before + count);
    return -1;
  }
  return count;
}

// Moves on to `rank`; returns the rows of that rank, or -1 after a report.
LOCKSTEP_BODY int64 move_to_rank(const PaddedRows& a, PaddedPlace& place, int64 rank) {
  for (; place.rank < rank; place.rank++) {
    const int64 count = rows_of_rank(a, place.rank, place.before);
    if (count < 0) return -1;
    place.before += count;
  }
  return rows_of_rank(a, rank, place.before);
}

}  // namespace lockstep
