#include "paged-kv.h"

#include "vectors.h"

namespace lockstep {
namespace metadata {
namespace {

/// Pages copied at once: the next request's overwrite what is too much of them, where the tensor has room for so many.
constexpr int32_t CHUNK = 16;

inline void copy_pages(int32_t* to, const int32_t* from, int32_t pages) {
  for (int32_t i = 0; i < pages; i += CHUNK) {
    const i32x4 a = load<i32x4>(from + i), b = load<i32x4>(from + i + 4);
    const i32x4 c = load<i32x4>(from + i + 8), d = load<i32x4>(from + i + 12);
    store(to + i, a);
    store(to + i + 4, b);
    store(to + i + 8, c);
    store(to + i + 12, d);
  }
}

struct Csr {
  int32_t* indptr;
  int32_t* indices;
  int32_t* last_page_len;
};

/// `rows` rows from row `first` of the table, whose tokens fill `lengths`. A division takes as long as all the rest of a request;
/// most page sizes are powers of two.
template <bool shifts>
inline int32_t write_rows(const KvGroup& group, const Csr& csr, const int32_t* lengths, const int32_t* table, int32_t first, int32_t rows) {
  const int32_t* order = region(REGION_ORDER) + first;
  const int64_t width = group.size(KV_GROUP_SIZE_TABLE_WIDTH);
  const uint32_t page = group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE);
  const int32_t shift = __builtin_ctz(page);
  const int32_t padded = limit(LIMIT_PADDED_SEQ_LEN);
  const int32_t room = group.size(KV_GROUP_SIZE_MAX_KV_INDICES) - CHUNK + 1;
  const int32_t* row = table + first * width;
  int32_t next = 0;
  for (int32_t i = 0; i < rows; i++, row += width) {
    csr.indptr[i] = next;
    if (order[i] < 0) {
      fill(csr.indices + next, padded, 0);
      next += padded;
      csr.last_page_len[i] = 1;
      continue;
    }
    const uint32_t length = lengths[i];
    const int32_t pages = shifts ? (length + page - 1) >> shift : (length + page - 1) / page;
    if (next + pages <= room) {
      copy_pages(csr.indices + next, row, pages);
    } else {
      copy(csr.indices + next, row, pages);
    }
    next += pages;
    csr.last_page_len[i] = pages == 0 ? 1 : length - (pages - 1) * page;
  }
  return next;
}

}  // namespace

void write_paged_kv(const KvGroup& group, int32_t set, int32_t view, int32_t first_row, int32_t end_row, int32_t attention_requests) {
  const bool shared = limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1;
  const int32_t* lengths = tensor(set, view, shared ? TENSOR_LOCAL_SEQ_LENS : TENSOR_SEQ_LENS);
  const int32_t* table = group.block_table(set);
  const int32_t page = group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE);
  const Csr csr = {group.tensor(set, view, KV_GROUP_TENSOR_KV_INDPTR), group.tensor(set, view, KV_GROUP_TENSOR_KV_INDICES), group.tensor(set, view, KV_GROUP_TENSOR_KV_LAST_PAGE_LEN)};
  const int32_t rows = clamp(end_row - first_row, 0, attention_requests);
  const bool shifts = (page & (page - 1)) == 0;
  int32_t next = shifts ? write_rows<true>(group, csr, lengths, table, first_row, rows) : write_rows<false>(group, csr, lengths, table, first_row, rows);
  // A padded row of a part may be another part's in the table: its null block is not looked up there.
  for (int32_t i = rows; i < attention_requests; i++) {
    csr.indptr[i] = next;
    fill(csr.indices + next, limit(LIMIT_PADDED_SEQ_LEN), 0);
    next += limit(LIMIT_PADDED_SEQ_LEN);
    csr.last_page_len[i] = 1;
  }
  csr.indptr[attention_requests] = next;
}

}  // namespace metadata
}  // namespace lockstep
