// Blocks that several requests touch in one step.
#include "shared-blocks.h"

#include "batch-order.h"
#include "decode-lanes.h"
#include "lane-events.h"
#include "refusal.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

/// Words of one entry of the table of writers: block (0 in a free entry), who writes it, and the last part that does.
constexpr int32_t WRITER_WORDS = 3;
constexpr int32_t SEVERAL = -1;

/// First position of this step of the request in row `row` of the order.
int32_t start_of(int32_t row) { return computed_tokens(region(REGION_ORDER)[row]); }

int32_t query_len_of(int32_t row) {
  return row < state()[STATE_DECODES] ? region(REGION_LANE_LENS)[row] : row_at(region(REGION_ORDER)[row])[ROW_QUERY_LEN];
}

/// The entry of `block`, or the free one where it would be. There are twice as many as blocks that a step can write.
int32_t* writer_of(int32_t block) {
  const uint32_t mask = limit(LIMIT_BLOCK_WRITERS) - 1;
  uint32_t at = static_cast<uint32_t>(block) * 2654435769u >> 7;
  int32_t* entry;
  do {
    entry = region(REGION_BLOCK_WRITERS) + (at++ & mask) * WRITER_WORDS;
  } while (entry[0] != 0 && entry[0] != block);
  return entry;
}

/// The part that holds token `token`.
int32_t part_of(int32_t token, const int32_t* tokens, int32_t parts) {
  int32_t part = 0;
  for (int32_t end = tokens[0]; part + 1 < parts && token >= end; end += tokens[part]) part++;
  return part;
}

/// Calls `visit(row, block, part)` for every block of the group that the step writes, once for each part that does.
template <typename Visit>
void each_written(const KvGroup& group, const int32_t* tokens, int32_t parts, Visit visit) {
  const int32_t span = group.block_span();
  const int32_t requests = scheduled_requests();
  for (int32_t row = 0, token = 0; row < requests; token += query_len_of(row++)) {
    const int32_t start = start_of(row);
    const int32_t end = start + query_len_of(row);
    const int32_t* blocks = group.block_list(region(REGION_ORDER)[row]);
    for (int32_t block = start / span; block * span < end; block++) {
      const int32_t last = min((block + 1) * span, end) - 1;
      visit(row, blocks[block], part_of(token + last - start, tokens, parts));
    }
  }
}

/// Whether a request's computed tokens that it still looks at, or those of this step, lie in `block`.
bool uses(const KvGroup& group, int32_t row, int32_t block) {
  const int32_t* fields = row_at(row);
  if (!fields[ROW_ACTIVE]) return false;
  const int32_t span = group.block_span();
  const int32_t computed = computed_tokens(row);
  const int32_t used = computed + (is_scheduled(row) ? fields[ROW_QUERY_LEN] : 0);
  const int32_t count = min(group.block_counts()[row], used / span + (used % span != 0));
  for (int32_t i = blocks_past_window(group, computed); i < count; i++) {
    if (group.block_list(row)[i] == block) return true;
  }
  return false;
}

/// Whether a request writes `block` in this step.
bool writes(const KvGroup& group, int32_t row, int32_t block) {
  if (!is_scheduled(row)) return false;
  const int32_t span = group.block_span();
  const int32_t start = computed_tokens(row);
  const int32_t end = start + row_at(row)[ROW_QUERY_LEN];
  for (int32_t i = start / span; i * span < end; i++) {
    if (group.block_list(row)[i] == block) return true;
  }
  return false;
}

}  // namespace

namespace {

bool shares_blocks_of(const KvGroup& group, const int32_t* tokens, int32_t parts) {
  const bool veto = region(REGION_POLICY)[POLICY_SHARED_BLOCKS] == SHARED_BLOCKS_VETO;
  each_written(group, tokens, parts, [](int32_t row, int32_t block, int32_t part) {
    int32_t* entry = writer_of(block);
    entry[1] = entry[0] == 0 || entry[1] == row ? row : SEVERAL;
    entry[2] = entry[0] == 0 ? part : max(entry[2], part);
    entry[0] = block;
  });
  const int32_t span = group.block_span();
  const int32_t requests = scheduled_requests();
  bool shared = false;
  for (int32_t row = 0, token = 0; row < requests && !shared; token += query_len_of(row++)) {
    if (veto && row < state()[STATE_DECODES]) continue;
    const int32_t first_part = part_of(token, tokens, parts);
    const int32_t* blocks = group.block_list(region(REGION_ORDER)[row]);
    const int32_t computed = start_of(row);
    for (int32_t i = blocks_past_window(group, computed); i * span < computed && !shared; i++) {
      const int32_t* entry = writer_of(blocks[i]);
      shared = entry[0] != 0 && entry[1] != row && (veto || entry[2] > first_part);
    }
  }
  // An entry goes only when no other is looked for past it: all at once.
  fill(region(REGION_BLOCK_WRITERS), static_cast<int64_t>(limit(LIMIT_BLOCK_WRITERS)) * WRITER_WORDS, 0);
  return shared;
}

}  // namespace

bool shares_blocks(const int32_t* tokens, int32_t parts) {
  for (int32_t g = 0; g < kv_groups(); g++) {
    if (shares_blocks_of(kv_group(g), tokens, parts)) return true;
  }
  return false;
}

void hold_blocks(const KvGroup& group, const int32_t* blocks, int32_t count, int32_t change) {
  if (!limit(LIMIT_CHECKED)) return;
  int32_t* holders = group.region(KV_GROUP_REGION_BLOCK_HOLDERS);
  for (int32_t i = 0; i < count; i++) {
    // Of the null block everybody may have some, and nobody writes it.
    if (blocks[i] == 0) continue;
    holders[blocks[i]] += change;
    if (holders[blocks[i]] > 1) state()[STATE_SEEN_ALONE] = -1;
  }
}

namespace {

/// Looks at all requests for one that must not touch `block` while `row` writes it.
int32_t check_written(const KvGroup& group, int32_t row, int32_t block) {
  int32_t times = 0;
  const int32_t past = blocks_past_window(group, computed_tokens(row));
  for (int32_t i = past; i < group.block_counts()[row]; i++) times += group.block_list(row)[i] == block;
  if (times > 1) return refuse(EDIT_BLOCK_WRITTEN_TWICE, row, block, row, group.index());
  for (int32_t other = 0; other < limit(LIMIT_MAX_REQUESTS); other++) {
    if (other == row || !uses(group, other, block)) continue;
    if (writes(group, other, block)) return refuse(EDIT_BLOCK_WRITTEN_TWICE, row, block, other, group.index());
    if (depends_on(other) != row) return refuse(EDIT_BLOCK_SHARED, row, block, other, group.index());
  }
  return EDIT_OK;
}

/// Whether the blocks of the group that `row` writes in this step, `count` tokens from `start` on, have no other holder.
bool holds_alone(const KvGroup& group, int32_t row, int32_t start, int32_t count) {
  const int32_t* holders = group.region(KV_GROUP_REGION_BLOCK_HOLDERS);
  const int32_t* blocks = group.block_list(row);
  const int32_t span = group.block_span();
  for (int32_t block = start / span; block * span < start + count; block++) {
    if (holders[blocks[block]] > 1) return false;
  }
  return true;
}

/// Whether no block that this step writes has another holder, found without a look at most decodes: a step ago no decode's block had
/// one, nobody has come to hold another's block since, and those that enter a block, have joined or are prefilled are looked at.
bool still_alone() {
  const int32_t moved = state()[STATE_MOVED];
  const int32_t seen = state()[STATE_SEEN_ALONE];
  const int32_t changes = state()[STATE_CHANGED_LANES];
  if (!lanes_listed() || state()[STATE_DECODES] == 0 || seen < 0 || moved - seen > 1 || changes == ANY_LANE) return false;
  const int32_t* rows = region(REGION_DECODES);
  const auto lane_alone = [rows](const KvGroup& group, int32_t lane) { return rows[lane] < 0 || holds_alone(group, rows[lane], lane_position(lane), 1); };
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    const Entering entering(group, moved);
    for (const int32_t* lane = entering.begin; lane < entering.end; lane++) {
      if (!lane_alone(group, *lane)) return false;
    }
    for (int32_t i = 0; i < changes; i++) {
      const int32_t lane = region(REGION_CHANGED_LANES)[i];
      if (lane < state()[STATE_LANES] && !lane_alone(group, lane)) return false;
    }
    for (int32_t i = 0; i < state()[STATE_PREFILLS]; i++) {
      const int32_t row = region(REGION_PREFILLS)[i];
      if (!holds_alone(group, row, computed_tokens(row), row_at(row)[ROW_QUERY_LEN])) return false;
    }
  }
  return true;
}

}  // namespace

/// Refuses a step that writes a block which another request writes too, or holds as computed prefix without having said that it
/// depends on the writer. For the checked mode, before the vote.
extern "C" int32_t check_shared_blocks() {
  if (still_alone()) {
    state()[STATE_SEEN_ALONE] = state()[STATE_MOVED];
    return EDIT_OK;
  }
  gather_facts(1);
  int32_t code = EDIT_OK;
  bool alone = true;
  for (int32_t g = 0; g < kv_groups() && code == EDIT_OK; g++) {
    const KvGroup group = kv_group(g);
    const int32_t* holders = group.region(KV_GROUP_REGION_BLOCK_HOLDERS);
    each_written(group, region(REGION_FACTS) + FACT_PART0_TOKENS, 1, [&](int32_t position, int32_t block, int32_t) {
      if (code != EDIT_OK || holders[block] <= 1) return;
      alone = false;
      code = check_written(group, region(REGION_ORDER)[position], block);
    });
  }
  state()[STATE_SEEN_ALONE] = alone && lanes_listed() && state()[STATE_DECODES] > 0 ? state()[STATE_MOVED] : -1;
  return code;
}

}  // namespace metadata
}  // namespace lockstep
