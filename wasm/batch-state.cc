// Requests, their blocks and what is scheduled of them. Every edit is checked whole before anything is written; a
// refused one returns an EDIT_* code and leaves row, value and limit in the error words.
#include "batch-order.h"
#include "block-lists.h"
#include "decode-lanes.h"
#include "positions.h"
#include "shared-blocks.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

/// Takes `row` out of a list that it is in.
void drop_from(int32_t* list, int32_t* count, int32_t row) {
  int32_t at = 0;
  while (list[at] != row) at++;
  for (int32_t i = at + 1; i < *count; i++) list[i - 1] = list[i];
  (*count)--;
}

/// Closes the gap that a request's token ids leave in the pool.
void drop_tokens(int32_t offset, int32_t count) {
  int32_t* pool = region(REGION_TOKEN_POOL);
  const int32_t end = state()[STATE_POOL_TOKENS];
  for (int32_t i = offset + count; i < end; i++) pool[i - count] = pool[i];
  state()[STATE_POOL_TOKENS] = end - count;
  const auto move = [offset, count](const int32_t* rows, int32_t requests) {
    for (int32_t i = 0; i < requests; i++) {
      int32_t* at = row_at(rows[i]) + ROW_TOKEN_OFFSET;
      if (*at > offset) *at -= count;
    }
  };
  move(region(REGION_ID_DECODES), state()[STATE_ID_DECODES]);
  move(region(REGION_PREFILLS), state()[STATE_PREFILLS]);
}

/// Takes a scheduled request out of the step, or one that ran in the last step out of those that may be continued.
void unschedule(int32_t row) {
  int32_t* fields = row_at(row);
  if (is_scheduled(row)) {
    state()[STATE_TOKENS] -= fields[ROW_QUERY_LEN];
    const int32_t offset = token_offset(row);
    const bool is_decode = lane_of(row) >= 0;
    if (!is_decode) drop_from(region(REGION_PREFILLS), state() + STATE_PREFILLS, row);
    if (offset >= 0) {
      if (is_decode) drop_from(region(REGION_ID_DECODES), state() + STATE_ID_DECODES, row);
      drop_tokens(offset, fields[ROW_QUERY_LEN]);
    }
  }
  if (lane_of(row) >= 0) free_lane(lane_of(row));
}

/// Refuses `query_len` tokens of a request, beside `tokens` of the step.
int32_t check_schedule(int32_t row, int32_t phase, int32_t query_len, int32_t tokens) {
  if (is_scheduled(row)) return refuse(EDIT_SCHEDULED_TWICE, row, row, 1);
  const int32_t longest = phase == PHASE_DECODE ? limit(LIMIT_QUERY_LEN) : limit(LIMIT_MAX_TOKENS);
  if (query_len < 1 || query_len > longest) return refuse(EDIT_QUERY_LENGTH, row, query_len, longest);
  if (query_len > limit(LIMIT_MAX_TOKENS) - tokens) return refuse(EDIT_TOKENS_FULL, row, tokens + query_len, limit(LIMIT_MAX_TOKENS));
  return check_positions(row, computed_tokens(row) + query_len);
}

/// Where decodes of the last step may be continued, ends that: the caller sees to each.
void end_continuing() {
  if (state()[STATE_LAST_DECODES] > 0) end_lanes();
}

/// Schedules a decode that was checked and marked with this step's number.
void schedule_decode(int32_t row, int32_t query_len) {
  int32_t* fields = row_at(row);
  fields[ROW_PHASE] = PHASE_DECODE;
  fields[ROW_QUERY_LEN] = query_len;
  fields[ROW_LAST_CHUNK] = 0;
  state()[STATE_TOKENS] += query_len;
  take_lane(row, query_len);
}

int32_t check_advance(int32_t row, int32_t tokens) {
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  if (is_scheduled(row)) return refuse(EDIT_ROW_SCHEDULED, row, tokens, 0);
  if (tokens < 0 || tokens > limit(LIMIT_MAX_MODEL_LEN)) return refuse(EDIT_MODEL_LENGTH, row, tokens, limit(LIMIT_MAX_MODEL_LEN));
  return EDIT_OK;
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
  fill(group.region(KV_GROUP_REGION_MIRROR_CURSORS), MIRROR_WORDS * CURSOR_WORDS, 0);
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
  // Rows that nobody has scheduled yet have the number 0.
  state()[STATE_STEP] = 1;
  end_lanes();
  fill(region(REGION_ORDER), limit(LIMIT_MAX_PADDED_REQUESTS), -1);
  fill(region(REGION_ORDER_GENERATIONS), limit(LIMIT_MAX_PADDED_REQUESTS), 0);
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
  if (int32_t code = check_blocks(group, row, group.block_counts()[row], ids, count, 0)) return code;
  hold_and_log(group, row, ids, count);
  return EDIT_OK;
}

/// Appends one block to each of `count` requests: their rows are in the inbox, then the block ids, which are of group `index`. Refuses all or none.
int32_t state_append_each(int32_t count, int32_t index) {
  const int32_t* rows = region(REGION_INBOX);
  return append_each(kv_group(index), rows, rows + count, count);
}

/// Schedules the next `query_len` tokens of a request. With `tokens_given` their ids lie in the inbox. `depends_on` is the row
/// of a request that writes blocks which this one reads in the same step, or -1.
int32_t state_schedule(int32_t row, int32_t phase, int32_t query_len, int32_t last_chunk, int32_t tokens_given, int32_t depends_on) {
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  if (depends_on != -1 && !is_active(depends_on)) return refuse(EDIT_ROW_UNKNOWN, depends_on, depends_on, limit(LIMIT_MAX_REQUESTS));
  if (int32_t code = check_schedule(row, phase, query_len, state()[STATE_TOKENS])) return code;

  // A decode of the last step that is in this one as well would be in it twice if it were continued.
  if (phase == PHASE_DECODE || lane_of(row) >= 0) end_continuing();
  int32_t* fields = row_at(row);
  fields[ROW_STEP] = state()[STATE_STEP];
  fields[ROW_DEPENDS_ON] = depends_on + 1;
  state()[STATE_DEPENDING] += depends_on != -1;
  fields[ROW_TOKEN_OFFSET] = -1;
  if (tokens_given) {
    fields[ROW_TOKEN_OFFSET] = state()[STATE_POOL_TOKENS];
    copy(region(REGION_TOKEN_POOL) + state()[STATE_POOL_TOKENS], region(REGION_INBOX), query_len);
    state()[STATE_POOL_TOKENS] += query_len;
  }
  if (phase == PHASE_DECODE) {
    if (tokens_given) region(REGION_ID_DECODES)[state()[STATE_ID_DECODES]++] = row;
    schedule_decode(row, query_len);
    return EDIT_OK;
  }
  fields[ROW_PHASE] = PHASE_PREFILL;
  fields[ROW_QUERY_LEN] = query_len;
  fields[ROW_LAST_CHUNK] = last_chunk;
  region(REGION_PREFILLS)[state()[STATE_PREFILLS]++] = row;
  state()[STATE_TOKENS] += query_len;
  return EDIT_OK;
}

/// Schedules decodes without token ids, all or none: `count` rows are in the inbox, then the tokens of each.
int32_t state_schedule_each(int32_t count) {
  const int32_t* rows = region(REGION_INBOX);
  const int32_t* query_lens = rows + count;
  int32_t tokens = state()[STATE_TOKENS];
  int32_t code = EDIT_OK;
  int32_t marked = 0;
  for (; marked < count; marked++) {
    const int32_t row = rows[marked];
    code = is_active(row) ? check_schedule(row, PHASE_DECODE, query_lens[marked], tokens) : refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
    if (code != EDIT_OK) break;
    tokens += query_lens[marked];
    // Marked at once, so that a row that is there twice is refused.
    row_at(row)[ROW_STEP] = state()[STATE_STEP];
  }
  if (code != EDIT_OK) {
    while (--marked >= 0) row_at(rows[marked])[ROW_STEP] = 0;
    return code;
  }
  if (count > 0) end_continuing();
  for (int32_t i = 0; i < count; i++) {
    int32_t* fields = row_at(rows[i]);
    fields[ROW_DEPENDS_ON] = 0;
    fields[ROW_TOKEN_OFFSET] = -1;
    schedule_decode(rows[i], query_lens[i]);
  }
  return EDIT_OK;
}

/// After the step: `tokens` more of the request are computed (its whole chunk; of a decode, 1 + the accepted drafts).
int32_t state_advance(int32_t row, int32_t tokens) {
  if (int32_t code = check_advance(row, tokens)) return code;
  if (int32_t code = check_positions(row, computed_tokens(row) + tokens)) return code;
  if (lane_of(row) >= 0) end_continuing();
  row_at(row)[ROW_NUM_COMPUTED_TOKENS] += tokens;
  return EDIT_OK;
}

/// The same of several requests, all or none: `count` rows are in the inbox, then the tokens of each.
int32_t state_advance_each(int32_t count) {
  const int32_t* rows = region(REGION_INBOX);
  const int32_t* tokens = rows + count;
  int32_t code = EDIT_OK;
  bool continuing = false;
  int32_t checked = 0;
  // What a row that is there more than once advances by in all is added up beside its own count.
  for (; checked < count && code == EDIT_OK; checked++) {
    const int32_t row = rows[checked];
    code = check_advance(row, tokens[checked]);
    if (code != EDIT_OK) break;
    continuing |= lane_of(row) >= 0;
    int32_t* pending = row_at(row) + ROW_PENDING;
    *pending += tokens[checked];
    code = check_positions(row, computed_tokens(row) + *pending);
  }
  if (code == EDIT_OK && continuing) end_continuing();
  for (int32_t i = 0; i < checked; i++) {
    int32_t* fields = row_at(rows[i]);
    if (code == EDIT_OK) fields[ROW_NUM_COMPUTED_TOKENS] += tokens[i];
    fields[ROW_PENDING] = 0;
  }
  return code;
}

/// Tokens of a request that are computed.
int32_t state_computed(int32_t row) { return computed_tokens(row); }

/// Forgets a request, scheduled or not.
int32_t state_remove(int32_t row) {
  if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
  unschedule(row);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    hold_blocks(group, group.block_list(row), group.block_counts()[row], -1);
  }
  row_at(row)[ROW_ACTIVE] = 0;
  // What depended on this request in this step does not depend on the one that is given its row.
  for (int32_t other = 0; state()[STATE_DEPENDING] > 0 && other < limit(LIMIT_MAX_REQUESTS); other++) {
    if (row_at(other)[ROW_DEPENDS_ON] == row + 1) row_at(other)[ROW_DEPENDS_ON] = 0;
  }
  region(REGION_FREE_ROWS)[state()[STATE_FREE_ROWS]++] = row;
  return EDIT_OK;
}

void state_clear_schedule() {
  const int32_t decodes = state()[STATE_BUILT] ? state()[STATE_DECODES] : 0;
  // Decodes of a step that is given up, or that the step left out, are not continued.
  if (decodes == 0) end_lanes();
  state()[STATE_LAST_DECODES] = decodes;
  state()[STATE_BUILT] = state()[STATE_DECODES] = state()[STATE_PREFILLS] = state()[STATE_TOKENS] = 0;
  state()[STATE_POOL_TOKENS] = state()[STATE_ID_DECODES] = state()[STATE_DEPENDING] = 0;
  state()[STATE_STEP]++;
}

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
