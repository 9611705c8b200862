// The blocks that each request holds of a KV cache group, in order, and the log of what they were given.
#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Checks `count` blocks for a request that holds `held` of the group already; the first `absent` of them may be the null block.
int32_t check_blocks(const KvGroup& group, int32_t row, int32_t held, const int32_t* ids, int32_t count, int32_t absent);

/// Appends `count` checked blocks to a request's list in the group.
void hold(const KvGroup& group, int32_t row, const int32_t* ids, int32_t count);

/// Appends `count` checked blocks likewise, and notes it in the log.
void hold_and_log(const KvGroup& group, int32_t row, const int32_t* ids, int32_t count);

/// Appends block `ids[i]` to request `rows[i]`, all or none.
int32_t append_each(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count);

/// The same of requests that are known to be in the batch. The null block stands for none.
int32_t append_some(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count);

/// Takes back what `append_each` appended, where nothing was appended since.
void take_back_each(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count);

inline bool is_active(int32_t row) {
  return row >= 0 && row < limit(LIMIT_MAX_REQUESTS) && row_at(row)[ROW_ACTIVE];
}

}  // namespace metadata
}  // namespace lockstep
