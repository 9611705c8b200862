#pragma once
#include "kv-group.h"
#include "refusal.h"

namespace lockstep {
namespace metadata {

/// Refuses `end` tokens of a request where that is too long, or where its `blocks(g)` blocks of some group g do not cover them.
template <typename Blocks>
inline int32_t check_positions(int32_t row, int32_t end, Blocks blocks) {
  if (end < 0 || end > limit(LIMIT_MAX_MODEL_LEN)) return refuse(EDIT_MODEL_LENGTH, row, end, limit(LIMIT_MAX_MODEL_LEN));
  for (int32_t g = 0; g < kv_groups(); g++) {
    const int64_t covered = static_cast<int64_t>(blocks(g)) * kv_group(g).block_span();
    if (end > covered) return refuse(EDIT_POSITION_BEYOND_BLOCKS, row, end, static_cast<int32_t>(covered), g);
  }
  return EDIT_OK;
}

/// The same of a request that is in the batch.
inline int32_t check_positions(int32_t row, int32_t end) {
  return check_positions(row, end, [row](int32_t g) { return kv_group(g).block_counts()[row]; });
}

}  // namespace metadata
}  // namespace lockstep
