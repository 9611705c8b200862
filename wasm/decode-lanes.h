// The scheduled decodes as arrays, a lane each: what their slots and positions come from, without a look at their blocks.
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

/// Sets lane `lane` to `count` tokens of `row` from position `start`. Its blocks cover them.
void set_lane(int32_t lane, int32_t row, int32_t start, int32_t count);

/// Closes the gap that a lane leaves among `lanes`.
void drop_lane(int32_t lane, int32_t lanes);

/// Writes seqLens, positions and slots in the first group of `lanes` decodes of one token, and nothing beyond.
void write_decodes(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes);

/// Slots alone, in any group, of decodes in windows of `window` tokens.
void write_lane_slots(const KvGroup& group, int64_t* slots, int32_t lanes, int32_t window);

/// The same as `write_decodes` of decodes in windows of `window` tokens; where a draft is shorter, position 0 and slot -1 fill its window.
void write_windows(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window);

/// The lanes that may enter a block of a group in the step that a steady run has moved on to.
struct Entering {
  const int32_t* begin;
  const int32_t* end;

  Entering(const KvGroup& group, int32_t moved) {
    const int32_t* listed = group.region(KV_GROUP_REGION_EVENT_LANES);
    const int32_t* bucket = group.region(KV_GROUP_REGION_EVENT_STARTS) + moved % group.state()[KV_GROUP_STATE_EVENT_BUCKETS];
    begin = listed + bucket[0];
    end = listed + bucket[1];
  }
};

/// Ends a steady run: rows and lanes say what its steps came to.
void settle();

}  // namespace metadata
}  // namespace lockstep
