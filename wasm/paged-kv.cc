#include "paged-kv.h"

namespace lockstep {
namespace metadata {

void write_paged_kv(const KvGroup& group, int32_t set, int32_t view, int32_t first_row, int32_t end_row, int32_t attention_requests) {
  const bool shared = limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1;
  const int32_t* lengths = tensor(set, view, shared ? TENSOR_LOCAL_SEQ_LENS : TENSOR_SEQ_LENS);
  const int32_t* order = region(REGION_ORDER);
  const int32_t* table = group.block_table(set);
  const int32_t width = group.size(KV_GROUP_SIZE_TABLE_WIDTH);
  const int32_t page = group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE);
  int32_t* indptr = group.tensor(set, view, KV_GROUP_TENSOR_KV_INDPTR);
  int32_t* indices = group.tensor(set, view, KV_GROUP_TENSOR_KV_INDICES);
  int32_t* last_page_len = group.tensor(set, view, KV_GROUP_TENSOR_KV_LAST_PAGE_LEN);
  int32_t next = 0;
  for (int32_t i = 0; i < attention_requests; i++) {
    const int32_t row = first_row + i;
    indptr[i] = next;
    if (row >= end_row || order[row] < 0) {
      // A padded row of a part may be another part's in the table: its null block is not looked up there.
      fill(indices + next, limit(LIMIT_PADDED_SEQ_LEN), 0);
      next += limit(LIMIT_PADDED_SEQ_LEN);
      last_page_len[i] = 1;
      continue;
    }
    const int32_t whole = lengths[i] / page;
    const int32_t rest = lengths[i] - whole * page;
    const int32_t pages = whole + (rest > 0);
    copy(indices + next, table + static_cast<int64_t>(row) * width, pages);
    next += pages;
    last_page_len[i] = pages == 0 ? 1 : rest > 0 ? rest : page;
  }
  indptr[attention_requests] = next;
}

}  // namespace metadata
}  // namespace lockstep
