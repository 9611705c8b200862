// Which words of a decode may be stale, and what a step may therefore skip.
//
// A decode has a lane from the step that schedules it until it is removed, advanced or scheduled by hand, or left out of a step. Its
// position is then in the lane alone: `laneStarts[lane] + moved` tokens are computed, and the row's own count is brought up to date when
// the lanes end. All lanes are scheduled in the step that is being planned (`decodes` counts them), or all ran in the step before and may be
// continued (`lastDecodes`). A row is scheduled where it has a lane of the first kind, or `schedule` gave it this step's number; its token
// ids and its dependsOn are valid with that number only. So nothing has to be cleared when a step ends.
//
// While every lane has one token, lanes move on together: `moved` grows by one, and only lanes that enter a block are looked at. They are
// then `listed` by the step in which they do, and their bases alone follow (not laneBounds and laneNextBases, which longer windows need).
// A lane that is freed is a gap, row -1, until a newcomer takes it or the vote moves the last lane there; `changedLanes` says which lanes have
// another request than at the vote before, and whatever follows the order of requests looks at those alone.
#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Start of a freed lane: it is never the longest.
constexpr int32_t GAP_START = INT32_MIN / 2;

/// Value of `changedLanes` where there were too many changes to list: any lane may have changed.
constexpr int32_t ANY_LANE = -1;

/// Whether every decode has one token: lanes move on together, and no window is longer than its first token.
inline bool single_tokens() { return state()[STATE_WINDOWED] == 0; }

/// Whether lanes are listed by the step in which they enter a block. `moved` is 0 where they are not.
inline bool lanes_listed() { return state()[STATE_LISTED] != 0; }

/// Tokens that are computed of the decode in a lane.
inline int32_t lane_position(int32_t lane) { return region(REGION_LANE_STARTS)[lane] + state()[STATE_MOVED]; }

/// Lane of a request, or -1.
inline int32_t lane_of(int32_t row) { return row_at(row)[ROW_LANE] - 1; }

/// Tokens of a request that are computed.
inline int32_t computed_tokens(int32_t row) {
  const int32_t lane = lane_of(row);
  return lane >= 0 ? lane_position(lane) : row_at(row)[ROW_NUM_COMPUTED_TOKENS];
}

/// Whether `schedule` was called for a request in this step: what it said of token ids and dependsOn is valid.
inline bool scheduled_by_hand(int32_t row) { return row_at(row)[ROW_STEP] == state()[STATE_STEP]; }

inline bool is_scheduled(int32_t row) { return scheduled_by_hand(row) || (state()[STATE_DECODES] > 0 && lane_of(row) >= 0); }

/// Where a request's token ids of this step begin in the pool, or -1.
inline int32_t token_offset(int32_t row) { return scheduled_by_hand(row) ? row_at(row)[ROW_TOKEN_OFFSET] : -1; }

/// The row that a request depends on in this step, or -1.
inline int32_t depends_on(int32_t row) { return scheduled_by_hand(row) ? row_at(row)[ROW_DEPENDS_ON] - 1 : -1; }

}  // namespace metadata
}  // namespace lockstep
