// What a step's tensors take from the lanes of its decodes.
#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Writes seqLens, positions and slots in the first group of `lanes` decodes of one token, and nothing beyond.
void write_decodes(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes);

/// Slots alone, in any group, of decodes in windows of `window` tokens.
void write_lane_slots(const KvGroup& group, int64_t* slots, int32_t lanes, int32_t window);

/// The same as `write_decodes` of decodes in windows of `window` tokens; where a draft is shorter, position 0 and slot -1 fill its window.
void write_windows(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window);

}  // namespace metadata
}  // namespace lockstep
