#pragma once

#include "report.h"

namespace lockstep {

// How many drafts each row of the last step accepted, 0 to max_drafts, for a kernel that goes on from there.
struct AcceptedDrafts {
  const int* of_row;
  int64 rows;
  int64 max_drafts;
  Kernel kernel;
};

// Those of `row`, which is source[place]; -1 after a report.
LOCKSTEP_BODY int64 drafts_kept(const AcceptedDrafts& accepted, int64 place, int64 row, Report* report) {
  if (row >= accepted.rows) {
    fail(report, accepted.kernel, FAULT_LAST_ROW, place, row, accepted.rows);
    return -1;
  }
  const int64 kept = accepted.of_row[row];
  if (kept >= 0 && kept <= accepted.max_drafts) return kept;
  fail(report, accepted.kernel, FAULT_ACCEPTED, row, kept, accepted.max_drafts);
  return -1;
}

}  // namespace lockstep
