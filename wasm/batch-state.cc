// Requests, their blocks and what is scheduled of them. Every edit is checked whole before anything is written; a
// refused one returns an EDIT_* code and leaves row, value and limit in the error words.
#include "decode-lanes.h"
#include "positions.h"
#include "shared-blocks.h"

namespace lockstep {
namespace metadata {
namespace {

bool is_active(int32_t row) {
  return row >= 0 && row < limit(LIMIT_MAX_REQUESTS) && row_at(row)[ROW_ACTIVE];
}

/// Checks `count` blocks for a request that holds `held` of the group already; the first `absent` of them may be the null block.
int32_t check_blocks(const KvGroup& group, int32_t row, int32_t held, const int32_t* ids, int32_t count, int32_t absent) {
  const int32_t most = group.size(KV_GROUP_SIZE_MAX_BLOCKS);
  if (count < 0 || count > most - held) return refuse(EDIT_BLOCKS_FULL, row, held + count, most, group.index());
  const int32_t pool = group.size(KV_GROUP_SIZE_NUM_BLOCKS);
  for (int32_t i = 0; i < count; i++) {
    if (ids[i] == 0 && i < absent) continue;
    if (ids[i] <= 0 || ids[i] >= pool) return refuse(EDIT_BLOCK_INVALID, row, ids[i], pool, group.index());
  }
  return EDIT_OK;
}

/// Appends `count` checked blocks to a request's list in the group.
void hold(const KvGroup& group, int32_t row, const int32_t* ids, int32_t count) {
  int32_t* list = group.block_list(row);
  int32_t* held = group.block_counts() + row;
  copy(list + *held, ids, count);
  hold_blocks(group, ids, count, 1);
  *held += count;
  fill(list + *held, BLOCK_LIST_TAIL, 0);
}

/// Takes `row` out of a list, if it is there. Returns where it was, or -1.
int32_t drop_from(int32_t* list, int32_t* count, int32_t row) {
  int32_t at = 0;
  while (at < *count && list[at] != row) at++;
  if (at == *count) return -1;
  for (int32_t i = at + 1; i < *count; i++) list[i - 1] = list[i];
  (*count)--;
  return at;
}

/// Takes `row` out of the decodes of this step (STATE_DECODES) or of the last one (STATE_LAST_DECODES).
void drop_decode(int32_t row, int32_t count) {
  const int32_t lanes = state()[count];
  const int32_t lane = drop_from(region(REGION_DECODES), &state()[count], row);
  if (lane < 0) return;
  drop_lane(lane, lanes);
  for (int32_t i = lane; i < state()[count]; i++) row_at(region(REGION_DECODES)[i])[ROW_TABLE_ROW] = i;
}

/// Where `row` is a decode of the last step, none of them is left to continue: the caller sees to each.
void end_continuing(int32_t row) {
  const int32_t lane = row_at(row)[ROW_TABLE_ROW];
  if (lane < state()[STATE_LAST_DECODES] && region(REGION_DECODES)[lane] == row) state()[STATE_LAST_DECODES] = 0;
}

/// Closes the gap that a request's token ids leave in the pool.
void drop_tokens(int32_t offset, int32_t count) {
  int32_t* pool = region(REGION_TOKEN_POOL);
  const int32_t end = state()[STATE_POOL_TOKENS];
  for (int32_t i = offset + count; i < end; i++) pool[i - count] = pool[i];
  state()[STATE_POOL_TOKENS] = end - count;
  for (int32_t row = 0; row < limit(LIMIT_MAX_REQUESTS); row++) {
    if (row_at(row)[ROW_SCHEDULED] && row_at(row)[ROW_TOKEN_OFFSET] > offset) row_at(row)[ROW_TOKEN_OFFSET] -= count;
  }
}

void unschedule(int32_t row) {
  int32_t* fields = row_at(row);
  if (!fields[ROW_SCHEDULED]) return;
  if (fields[ROW_TOKEN_OFFSET] >= 0) drop_tokens(fields[ROW_TOKEN_OFFSET], fields[ROW_QUERY_LEN]);
  if (fields[ROW_PHASE] == PHASE_DECODE) {
    drop_decode(row, STATE_DECODES);
  } else {
    drop_from(region(REGION_PREFILLS), &state()[STATE_PREFILLS], row);
  }
  state()[STATE_TOKENS] -= fields[ROW_QUERY_LEN];
  fields[ROW_SCHEDULED] = 0;
}

void init_group(const KvGroup& group) {
  const int32_t views = limit(LIMIT_MAX_PARTS) > 1 ? 1 + limit(LIMIT_MAX_PARTS) : 1;
  for (int32_t set = 0; set < 2; set++) {
    for (int32_t view = 0; view < views; view++) {
      fill<int64_t>(group.slots(set, view), limit(LIMIT_MAX_PADDED_TOKENS), -1);
      group.region(KV_GROUP_REGION_HIGH_WATER)[set * MAX_VIEWS + view] = 0;
    }
  }
  for (int32_t i = 0; i < KV_GROUP_STATE_WORDS; i++) group.state()[i] = 0;
  fill(group.region(KV_GROUP_REGION_MIRROR_CURSORS), MIRROR_WORDS * CURSOR_WORDS, -1);
  if (limit(LIMIT_CHECKED)) fill(group.region(KV_GROUP_REGION_BLOCK_HOLDERS), group.size(KV_GROUP_SIZE_NUM_BLOCKS), 0);
  // A fresh memory is zero; a poisoned one must be cleared row by row when a row is first used.
  const int32_t dirty = limit(LIMIT_POISONED) ? group.size(KV_GROUP_SIZE_TABLE_WIDTH) : 0;
  const int32_t mirrored = MIRROR_WORDS * limit(LIMIT_MAX_PADDED_REQUESTS);
  fill(group.region(KV_GROUP_REGION_MIRROR_GENERATIONS), mirrored, -1);
  fill(group.region(KV_GROUP_REGION_MIRROR_COUNTS), mirrored, dirty);
}

}  // namespace

extern "C" {

/// Empties the batch state and brings every staging tensor under its padding contract.
void state_init() {
  const int32_t rows = limit(LIMIT_MAX_REQUESTS);
  for (int32_t i = 0; i < STATE_WORDS; i++) state()[i] = 0;
  state()[STATE_FREE_ROWS] = rows;
  int32_t* free_rows = region(REGION_FREE_ROWS);
  for (int32_t i = 0; i < rows; i++) {
    fill(row_at(i), ROW_WORDS, 0);
    free_rows[i] = rows - 1 - i;
  }
  for (int32_t i = 0; i < 2 * STAMP_WORDS; i++) region(REGION_STAMPS)[i] = 0;
  fill(region(REGION_BLOCK_WRITERS), static_cast<int64_t>(limit(LIMIT_BLOCK_WRITERS)) * 3, 0);
  for (int32_t g = 0; g < kv_groups(); g++) init_group(kv_group(g));
}

/// Takes a row for a request whose first `computed` tokens are in the blocks in the inbox: those of each group, one group after the
/// other, as many as the inbox's counts say. Returns the row.
int32_t state_add(int32_t computed) {
  if (state()[STATE_FREE_ROWS] == 0) return refuse(EDIT_ROWS_FULL, -1, limit(LIMIT_MAX_REQUESTS) + 1, limit(LIMIT_MAX_REQUESTS));
  const int32_t* counts = region(REGION_INBOX_COUNTS);
  const int32_t* ids = region(REGION_INBOX);
  for (int32_t g = 0; g < kv_groups(); ids += counts[g++]) {
    if (int32_t code = check_blocks(kv_group(g), -1, 0, ids, counts[g], blocks_past_window(kv_group(g), computed))) return code;
  }
  if (int32_t code = check_positions(-1, computed, [counts](int32_t g) { return counts[g]; })) return code;
  const int32_t row = region(REGION_FREE_ROWS)[--state()[STATE_FREE_ROWS]];
  int32_t* fields = row_at(row);
  fill(fields, ROW_WORDS, 0);
  fields[ROW_ACTIVE] = 1;
  fields[ROW_GENERATION] = ++state()[STATE_GENERATION];
  fields[ROW_NUM_COMPUTED_TOKENS] = computed;
  ids = region(REGION_INBOX);
  for (int32_t g = 0; g < kv_groups(); ids += counts[g++]) {
    kv_group(g).block_counts()[row] = 0;
    hold(kv_group(g), row, ids, counts[g]);
  }
  return row;
}

/// Appends the `count` block ids in the inbox to a request's blocks of group `index`, which there is.
int32_t state_append(int32_t row, int32_t count, int32_t index) {
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  const KvGroup group = kv_group(index);
  const int32_t* ids = region(REGION_INBOX);
  const int32_t held = group.block_counts()[row];
  if (int32_t code = check_blocks(group, row, held, ids, count, 0)) return code;
  const int32_t entry = group.state()[KV_GROUP_STATE_APPENDS]++ & (limit(LIMIT_APPEND_LOG) - 1);
  int32_t* append = group.region(KV_GROUP_REGION_APPEND_LOG) + entry * APPEND_WORDS;
  append[APPEND_REQUEST] = row;
  append[APPEND_TABLE_ROW] = row_at(row)[ROW_TABLE_ROW];
  append[APPEND_COLUMN] = held;
  append[APPEND_BLOCK] = count == 1 && group.block_size() == group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE) ? ids[0] : 0;
  hold(group, row, ids, count);
  return EDIT_OK;
}

/// Appends one block to each of `count` requests: their rows are in the inbox, then the block ids, which are of group `index`. Refuses all or none.
int32_t state_append_each(int32_t count, int32_t index) {
  const KvGroup group = kv_group(index);
  const int32_t* rows = region(REGION_INBOX);
  const int32_t* ids = rows + count;
  int32_t* log = group.region(KV_GROUP_REGION_APPEND_LOG);
  const int32_t mask = limit(LIMIT_APPEND_LOG) - 1;
  const int32_t requests = limit(LIMIT_MAX_REQUESTS), num_blocks = group.size(KV_GROUP_SIZE_NUM_BLOCKS), most = group.size(KV_GROUP_SIZE_MAX_BLOCKS);
  const int32_t* const batch = region(REGION_ROWS);
  int32_t* const counts = group.block_counts();
  int32_t* const lists = group.region(KV_GROUP_REGION_BLOCK_LISTS);
  const int64_t stride = group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE);
  const bool whole_blocks = group.block_size() == group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE);
  int32_t next = group.state()[KV_GROUP_STATE_APPENDS];
  int32_t code = EDIT_OK;
  int32_t i = 0;
  for (; i < count; i++) {
    const int32_t row = rows[i], id = ids[i];
    const int32_t* fields = batch + row * ROW_WORDS;
    if (static_cast<uint32_t>(row) >= static_cast<uint32_t>(requests) || !fields[ROW_ACTIVE]) {
      code = refuse(EDIT_ROW_UNKNOWN, row, row, requests);
      break;
    }
    if (id <= 0 || id >= num_blocks) {
      code = refuse(EDIT_BLOCK_INVALID, row, id, num_blocks, index);
      break;
    }
    const int32_t column = counts[row];
    if (column >= most) {
      code = refuse(EDIT_BLOCKS_FULL, row, column + 1, most, index);
      break;
    }
    int32_t* append = log + (next++ & mask) * APPEND_WORDS;
    append[APPEND_REQUEST] = row;
    append[APPEND_TABLE_ROW] = fields[ROW_TABLE_ROW];
    append[APPEND_COLUMN] = column;
    append[APPEND_BLOCK] = whole_blocks ? id : 0;
    int32_t* list = lists + row * stride + column;
    list[0] = id;
    list[BLOCK_LIST_TAIL] = 0;
    counts[row] = column + 1;
  }
  group.state()[KV_GROUP_STATE_APPENDS] = next;
  if (code == EDIT_OK) {
    hold_blocks(group, ids, count, 1);
    return EDIT_OK;
  }
  // Undone from the last on. What the log has of it makes a table look at its row, where nothing is new.
  while (--i >= 0) {
    log[(--next & mask) * APPEND_WORDS + APPEND_BLOCK] = 0;
    lists[rows[i] * stride + --counts[rows[i]]] = 0;
  }
  return code;
}

/// Schedules the next `query_len` tokens of a request. With `tokens_given` their ids lie in the inbox. `depends_on` is the row
/// of a request that writes blocks which this one reads in the same step, or -1.
int32_t state_schedule(int32_t row, int32_t phase, int32_t query_len, int32_t last_chunk, int32_t tokens_given, int32_t depends_on) {
  settle();
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  int32_t* fields = row_at(row);
  if (depends_on != -1 && !is_active(depends_on)) return refuse(EDIT_ROW_UNKNOWN, depends_on, depends_on, limit(LIMIT_MAX_REQUESTS));
  if (fields[ROW_SCHEDULED]) return refuse(EDIT_SCHEDULED_TWICE, row, row, 1);
  const int32_t longest = phase == PHASE_DECODE ? limit(LIMIT_QUERY_LEN) : limit(LIMIT_MAX_TOKENS);
  if (query_len < 1 || query_len > longest) return refuse(EDIT_QUERY_LENGTH, row, query_len, longest);
  if (query_len > limit(LIMIT_MAX_TOKENS) - state()[STATE_TOKENS]) {
    return refuse(EDIT_TOKENS_FULL, row, state()[STATE_TOKENS] + query_len, limit(LIMIT_MAX_TOKENS));
  }
  if (int32_t code = check_positions(row, fields[ROW_NUM_COMPUTED_TOKENS] + query_len)) return code;

  fields[ROW_SCHEDULED] = 1;
  fields[ROW_PHASE] = phase;
  fields[ROW_QUERY_LEN] = query_len;
  fields[ROW_LAST_CHUNK] = last_chunk;
  fields[ROW_DEPENDS_ON] = depends_on + 1;
  fields[ROW_TOKEN_OFFSET] = -1;
  if (tokens_given) {
    fields[ROW_TOKEN_OFFSET] = state()[STATE_POOL_TOKENS];
    copy(region(REGION_TOKEN_POOL) + state()[STATE_POOL_TOKENS], region(REGION_INBOX), query_len);
    state()[STATE_POOL_TOKENS] += query_len;
  }
  if (phase == PHASE_DECODE) {
    state()[STATE_LAST_DECODES] = 0;
    set_lane(state()[STATE_DECODES], row, fields[ROW_NUM_COMPUTED_TOKENS], query_len);
    region(REGION_DECODES)[state()[STATE_DECODES]++] = row;
  } else {
    // Continued as well, it would be in this step twice.
    end_continuing(row);
    region(REGION_PREFILLS)[state()[STATE_PREFILLS]++] = row;
  }
  state()[STATE_TOKENS] += query_len;
  return EDIT_OK;
}

/// After the step: `tokens` more of the request are computed (its whole chunk; of a decode, 1 + the accepted drafts).
int32_t state_advance(int32_t row, int32_t tokens) {
  settle();
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  int32_t* fields = row_at(row);
  if (fields[ROW_SCHEDULED]) return refuse(EDIT_ROW_SCHEDULED, row, tokens, 0);
  if (tokens < 0 || tokens > limit(LIMIT_MAX_MODEL_LEN)) return refuse(EDIT_MODEL_LENGTH, row, tokens, limit(LIMIT_MAX_MODEL_LEN));
  if (int32_t code = check_positions(row, fields[ROW_NUM_COMPUTED_TOKENS] + tokens)) return code;
  fields[ROW_NUM_COMPUTED_TOKENS] += tokens;
  end_continuing(row);
  return EDIT_OK;
}

/// Forgets a request, scheduled or not.
int32_t state_remove(int32_t row) {
  settle();
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  unschedule(row);
  if (state()[STATE_LAST_DECODES] > 0) drop_decode(row, STATE_LAST_DECODES);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    hold_blocks(group, group.block_list(row), group.block_counts()[row], -1);
  }
  row_at(row)[ROW_ACTIVE] = 0;
  // What depended on this request does not depend on the one that is given its row.
  for (int32_t other = 0; limit(LIMIT_CHECKED) && other < limit(LIMIT_MAX_REQUESTS); other++) {
    if (row_at(other)[ROW_DEPENDS_ON] == row + 1) row_at(other)[ROW_DEPENDS_ON] = 0;
  }
  region(REGION_FREE_ROWS)[state()[STATE_FREE_ROWS]++] = row;
  // Another request may take the row: what stands in the order is known no more.
  state()[STATE_ORDER_ROWS] = -1;
  return EDIT_OK;
}

void state_clear_schedule() {
  const int32_t decodes = state()[STATE_DECODES];
  // A steady run ends with a step that is given up, or that has none of its decodes.
  if (!state()[STATE_BUILT] || decodes == 0) settle();
  for (int32_t i = 0; !state()[STATE_STEADY] && i < decodes; i++) row_at(region(REGION_DECODES)[i])[ROW_SCHEDULED] = 0;
  for (int32_t i = 0; i < state()[STATE_PREFILLS]; i++) row_at(region(REGION_PREFILLS)[i])[ROW_SCHEDULED] = 0;
  state()[STATE_LAST_DECODES] = state()[STATE_BUILT] ? decodes : 0;
  state()[STATE_BUILT] = 0;
  state()[STATE_DECODES] = 0;
  state()[STATE_PREFILLS] = 0;
  state()[STATE_TOKENS] = 0;
  state()[STATE_POOL_TOKENS] = 0;
}

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
