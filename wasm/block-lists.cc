#include "block-lists.h"

#include "refusal.h"
#include "shared-blocks.h"

namespace lockstep {
namespace metadata {

int32_t check_blocks(const KvGroup& group, int32_t row, int32_t held, const int32_t* ids, int32_t count, int32_t absent) {
  const int32_t most = group.size(KV_GROUP_SIZE_MAX_BLOCKS);
  if (count < 0 || count > most - held) return refuse(EDIT_BLOCKS_FULL, row, held + count, most, group.index());
  const int32_t pool = group.size(KV_GROUP_SIZE_NUM_BLOCKS);
  // Less one, a valid id is below pool - 1 and any other one is not: a comparison an id, many at once.
  bool valid = true;
  for (int32_t i = 0; i < count; i++) valid &= static_cast<uint32_t>(ids[i]) - 1 < static_cast<uint32_t>(pool) - 1;
  for (int32_t i = 0; !valid && i < count; i++) {
    if (ids[i] == 0 && i < absent) continue;
    if (ids[i] <= 0 || ids[i] >= pool) return refuse(EDIT_BLOCK_INVALID, row, ids[i], pool, group.index());
  }
  return EDIT_OK;
}

void hold(const KvGroup& group, int32_t row, const int32_t* ids, int32_t count) {
  int32_t* list = group.block_list(row);
  int32_t* held = group.block_counts() + row;
  copy(list + *held, ids, count);
  hold_blocks(group, ids, count, 1);
  *held += count;
  fill(list + *held, BLOCK_LIST_TAIL, 0);
}

void hold_and_log(const KvGroup& group, int32_t row, const int32_t* ids, int32_t count) {
  const int32_t entry = group.state()[KV_GROUP_STATE_APPENDS]++ & (limit(LIMIT_APPEND_LOG) - 1);
  int32_t* append = group.region(KV_GROUP_REGION_APPEND_LOG) + entry * APPEND_WORDS;
  append[APPEND_GENERATION] = row_at(row)[ROW_GENERATION];
  append[APPEND_TABLE_ROW] = row_at(row)[ROW_TABLE_ROW];
  append[APPEND_COLUMN] = group.block_counts()[row];
  append[APPEND_BLOCK] = count == 1 && group.block_size() == group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE) ? ids[0] : 0;
  hold(group, row, ids, count);
}

namespace {

/// `some`: the rows are known to be active, and the null block stands for none; else both are refused.
template <bool some>
inline int32_t append_checked(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count) {
  int32_t* log = group.region(KV_GROUP_REGION_APPEND_LOG);
  const int32_t mask = limit(LIMIT_APPEND_LOG) - 1;
  const int32_t requests = limit(LIMIT_MAX_REQUESTS), num_blocks = group.size(KV_GROUP_SIZE_NUM_BLOCKS), most = group.size(KV_GROUP_SIZE_MAX_BLOCKS);
  const int32_t* const batch = region(REGION_ROWS);
  int32_t* const counts = group.block_counts();
  int32_t* const lists = group.region(KV_GROUP_REGION_BLOCK_LISTS);
  const int64_t stride = group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE);
  const bool whole_blocks = group.block_size() == group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE);
  uint32_t next = group.state()[KV_GROUP_STATE_APPENDS];
  int32_t code = EDIT_OK;
  int32_t i = 0;
  for (; i < count; i++) {
    const int32_t row = rows[i], id = ids[i];
    const bool there = some || (static_cast<uint32_t>(row) < static_cast<uint32_t>(requests) && batch[row * ROW_WORDS + ROW_ACTIVE]);
    if (!there) {
      code = refuse(EDIT_ROW_UNKNOWN, row, row, requests);
      break;
    }
    if (some && id == 0) continue;
    if (id <= 0 || id >= num_blocks) {
      code = refuse(EDIT_BLOCK_INVALID, row, id, num_blocks, group.index());
      break;
    }
    const int32_t* fields = batch + row * ROW_WORDS;
    const int32_t column = counts[row];
    if (column >= most) {
      code = refuse(EDIT_BLOCKS_FULL, row, column + 1, most, group.index());
      break;
    }
    int32_t* append = log + (next++ & mask) * APPEND_WORDS;
    append[APPEND_GENERATION] = fields[ROW_GENERATION];
    append[APPEND_TABLE_ROW] = fields[ROW_TABLE_ROW];
    append[APPEND_COLUMN] = column;
    append[APPEND_BLOCK] = whole_blocks ? id : 0;
    int32_t* list = lists + row * stride + column;
    list[0] = id;
    list[BLOCK_LIST_TAIL] = 0;
    counts[row] = column + 1;
  }
  group.state()[KV_GROUP_STATE_APPENDS] = next;
  hold_blocks(group, ids, i, 1);
  if (code != EDIT_OK) take_back_each(group, rows, ids, i);
  return code;
}

}  // namespace

int32_t append_each(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count) {
  return append_checked<false>(group, rows, ids, count);
}

int32_t append_some(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count) {
  return append_checked<true>(group, rows, ids, count);
}

void take_back_each(const KvGroup& group, const int32_t* rows, const int32_t* ids, int32_t count) {
  int32_t* log = group.region(KV_GROUP_REGION_APPEND_LOG);
  const int32_t mask = limit(LIMIT_APPEND_LOG) - 1;
  uint32_t next = group.state()[KV_GROUP_STATE_APPENDS];
  hold_blocks(group, ids, count, -1);
  // The log keeps its entries: one without a block makes a table look at its row, where nothing is new.
  for (int32_t i = count - 1; i >= 0; i--) {
    if (ids[i] == 0) continue;
    log[(--next & mask) * APPEND_WORDS + APPEND_BLOCK] = 0;
    group.block_list(rows[i])[--group.block_counts()[rows[i]]] = 0;
  }
}

}  // namespace metadata
}  // namespace lockstep
