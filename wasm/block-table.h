#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Brings the first `rows` rows of a group's block table in staging set `set` up to the step's requests, and lists in the table edits
/// what the device's copy lacks: int32[4] each, (row, first column, end column, 0). Notes their number in the group's state.
/// Rows whose order is -1 and the tail of every row hold the null block 0. Source: vLLM BlockTable.
void sync_block_table(const KvGroup& group, int32_t set, int32_t rows);

}  // namespace metadata
}  // namespace lockstep
