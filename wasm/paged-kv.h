#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Writes the kvIndptr, kvIndices and kvLastPageLen of a view whose sequence lengths are written, from the group's block table,
/// which is up to date: its requests are those in rows [first_row, end_row) of the table, its padded count
/// `attention_requests`. Only blocks that hold tokens this rank stores are listed.
/// Source: FlashInfer BatchDecodeWithPagedKVCacheWrapper.plan.
void write_paged_kv(const KvGroup& group, int32_t set, int32_t view, int32_t first_row, int32_t end_row, int32_t attention_requests);

}  // namespace metadata
}  // namespace lockstep
