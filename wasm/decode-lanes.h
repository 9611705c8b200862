// The decodes as arrays, a lane each: what their slots and positions come from, without a look at their blocks. What lanes say, and when,
// is in steady.h.
#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Longest window of a decode whose slots come from lanes; a longer one runs through its blocks.
constexpr int32_t MAX_LANE_WINDOW = 16;

/// Whether lanes say where decodes of up to `window` tokens go: they span two blocks at most, and this rank stores them all.
inline bool lanes_serve(const KvGroup& group, int32_t window) {
  return window >= 1 && window <= MAX_LANE_WINDOW && window <= group.block_size() && limit(LIMIT_CONTEXT_PARALLEL_SIZE) == 1;
}

/// Gives a request a lane for `count` tokens after its computed ones: the one freed last, or else the next. Its blocks cover them.
void take_lane(int32_t row, int32_t count);

/// Takes a request out of its lane, which is a gap from then on.
void free_lane(int32_t lane);

/// Moves the last lanes into the gaps, the one freed last first. Source: vLLM InputBatch.condense.
void close_gaps();

/// Ends all lanes: rows say again how far their requests are.
void end_lanes();

/// Adds what lanes have moved on together to each of their starts, and ends their lists.
void settle_lanes();

/// Finds the blocks of a lane of a group that starts at position `start` and has `count` tokens.
void set_lane_blocks(const KvGroup& group, int32_t lane, int32_t row, int32_t start, int32_t count);

/// Most tokens that any decode has with those of this step, or of the next where none is scheduled yet, less `moved`.
int32_t longest_decode();

}  // namespace metadata
}  // namespace lockstep
