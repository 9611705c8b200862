#pragma once

#include "last-step.h"
#include "sample.h"

namespace lockstep {

// Moves the position of each row of controls on by the drafts that the last step accepted in row source[i]; where that is -1 the
// position is known, and stays. So a token that follows drafts of a step under way is drawn as if the host had known its position.
LOCKSTEP_BODY void advance_positions(Grid grid, const int* source, int64, const int* accepted, int64 accepted_bytes, int* controls,
                                     int64, int n, int max_drafts, Report* report) {
  if (is_failed(report)) return;
  const AcceptedDrafts last = {accepted, accepted_bytes / 4, max_drafts, KERNEL_advance_positions};
  for (int64 i = grid.index; i < n; i += grid.stride) {
    if (source[i] < 0) continue;
    const int64 kept = drafts_kept(last, i, source[i], report);
    if (kept < 0) return;
    controls[i * CONTROL_WORDS + CONTROL_POSITION] += static_cast<int>(kept);
  }
}

}  // namespace lockstep
