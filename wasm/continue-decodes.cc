// The decodes of the last step go on in one call: those of one token by a count of steps, longer windows lane by lane.
#include "block-lists.h"
#include "decode-lanes.h"
#include "lane-events.h"
#include "positions.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

/// Steps after which lanes' starts are brought up to date, so that none becomes too negative.
constexpr int32_t MOST_MOVED = 1 << 16;

/// What the inbox says of some of the decodes: their rows, then as many counts of accepted drafts, then as many blocks of each group.
struct Continuation {
  int32_t count;
  bool has_accepted;
  /// Bit g: blocks of group g are given.
  int32_t groups;
  const int32_t* rows = region(REGION_INBOX);

  const int32_t* accepted() const { return rows + count; }
  const int32_t* blocks(int32_t group) const { return rows + (2 + group) * count; }
  bool gives(int32_t group) const { return (groups >> group & 1) != 0; }
};

/// Adds each decode's accepted drafts to the step that every decode takes. Refuses rows that are no decodes of the last step, and more
/// drafts than a decode had.
int32_t count_steps(const Continuation& given) {
  int32_t* steps = region(REGION_LANE_STEPS);
  const bool single = single_tokens();
  if (!single) fill(steps, state()[STATE_LANES], 1);
  for (int32_t i = 0; i < given.count; i++) {
    const int32_t row = given.rows[i];
    if (!is_active(row)) return refuse(EDIT_ROW_UNKNOWN, row, row, limit(LIMIT_MAX_REQUESTS));
    const int32_t lane = lane_of(row);
    if (lane < 0) return refuse(EDIT_ROW_NOT_CONTINUED, row, row, 0);
    if (!given.has_accepted) continue;
    const int32_t drafts = region(REGION_LANE_LENS)[lane] - 1;
    const int32_t accepted = given.accepted()[i];
    const int32_t before = single ? 0 : steps[lane] - 1;
    if (accepted < 0 || accepted > drafts - before) return refuse(EDIT_DRAFTS_ACCEPTED, row, before + accepted, drafts);
    if (!single) steps[lane] += accepted;
  }
  return EDIT_OK;
}

/// The lane of the longest decode.
int32_t lane_of_longest() {
  const int32_t longest = longest_decode();
  int32_t lane = 0;
  while (region(REGION_LANE_STARTS)[lane] + region(REGION_LANE_LENS)[lane] != longest) lane++;
  return lane;
}

/// Moves decodes of one token each on by one, or refuses it whole.
int32_t move_together() {
  if (state()[STATE_MOVED] >= MOST_MOVED) settle_lanes();
  const int32_t moved = state()[STATE_MOVED] + 1;
  const int32_t most = limit(LIMIT_MAX_MODEL_LEN);
  const int32_t* rows = region(REGION_DECODES);
  const int32_t* starts = region(REGION_LANE_STARTS);
  if (longest_decode() + moved > most) {
    const int32_t lane = lane_of_longest();
    return refuse(EDIT_MODEL_LENGTH, rows[lane], starts[lane] + moved + 1, most);
  }
  if (!lanes_listed()) {
    for (int32_t g = 0; g < kv_groups(); g++) list_lanes(kv_group(g));
    state()[STATE_LISTED] = 1;
    state()[STATE_SEEN_ALONE] = -1;
  }
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    const int32_t lane = enter_blocks(group, Entering(group, moved), moved);
    if (lane < 0) continue;
    // All so far go back to where they were.
    for (int32_t back = 0; back <= g; back++) enter_blocks(kv_group(back), Entering(kv_group(back), moved), moved - 1);
    const int32_t covered = group.block_counts()[rows[lane]] * group.block_span();
    return refuse(EDIT_POSITION_BEYOND_BLOCKS, rows[lane], starts[lane] + moved + 1, covered, g);
  }
  state()[STATE_MOVED] = moved;
  return EDIT_OK;
}

/// Moves each decode on by its own steps, its window as long as it was; or refuses it whole.
int32_t move_each() {
  const int32_t lanes = state()[STATE_LANES];
  const int32_t* rows = region(REGION_DECODES);
  const int32_t* steps = region(REGION_LANE_STEPS);
  const int32_t* lens = region(REGION_LANE_LENS);
  int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t most = limit(LIMIT_MAX_MODEL_LEN);
  const bool based = limit(LIMIT_CONTEXT_PARALLEL_SIZE) == 1;
  int32_t longest = GAP_START;
  for (int32_t lane = 0; lane < lanes; lane++) longest = max(longest, starts[lane] + steps[lane] + lens[lane]);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    const int32_t* counts = group.block_counts();
    const int32_t* bounds = group.region(KV_GROUP_REGION_LANE_BOUNDS);
    const int32_t span = group.block_span();
    for (int32_t lane = 0; lane < lanes; lane++) {
      const int32_t end = starts[lane] + steps[lane] + lens[lane];
      // A window inside the block that the last one began in needs no other.
      if ((based && end <= bounds[lane] && longest <= most) || rows[lane] < 0) continue;
      if (end > most) return refuse(EDIT_MODEL_LENGTH, rows[lane], end, most);
      const int64_t covered = static_cast<int64_t>(counts[rows[lane]]) * span;
      if (end > covered) return refuse(EDIT_POSITION_BEYOND_BLOCKS, rows[lane], end, static_cast<int32_t>(covered), g);
    }
  }
  for (int32_t lane = 0; lane < lanes; lane++) {
    if (rows[lane] >= 0) starts[lane] += steps[lane];
  }
  for (int32_t g = 0; based && g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    const int32_t* bounds = group.region(KV_GROUP_REGION_LANE_BOUNDS);
    for (int32_t lane = 0; lane < lanes; lane++) {
      if (starts[lane] + lens[lane] <= bounds[lane] || rows[lane] < 0) continue;
      set_lane_blocks(group, lane, rows[lane], starts[lane], lens[lane]);
    }
  }
  state()[STATE_LONGEST] = longest;
  state()[STATE_LONGEST_KNOWN] = 1;
  return EDIT_OK;
}

/// Appends what blocks are given and moves the decodes on; or refuses it whole.
int32_t append_and_move(const Continuation& given) {
  int32_t code = EDIT_OK;
  int32_t appended = 0;
  for (; appended < kv_groups() && code == EDIT_OK; appended++) {
    if (given.gives(appended)) code = append_some(kv_group(appended), given.rows, given.blocks(appended), given.count);
  }
  if (code == EDIT_OK) {
    code = single_tokens() ? move_together() : move_each();
    if (code == EDIT_OK) return EDIT_OK;
    appended++;
  }
  for (int32_t g = 0; g < appended - 1; g++) {
    if (given.gives(g)) take_back_each(kv_group(g), given.rows, given.blocks(g), given.count);
  }
  return code;
}

/// The first lane of at least `tokens` tokens.
int32_t first_lane(int32_t tokens) {
  int32_t lane = 0;
  while (region(REGION_LANE_LENS)[lane] < tokens) lane++;
  return lane;
}

}  // namespace

extern "C" {

/// Every decode of the step that was built last is computed, and as many tokens of it as it had are scheduled, each in its place. Of
/// `count` of them the inbox says more: with bit 0 of `gives`, how many drafts were accepted (else none has any); with bit 1 + g, a block
/// of group g that it is given, or 0. Returns the number of decodes.
int32_t state_continue(int32_t count, int32_t gives) {
  const int32_t decodes = state()[STATE_LAST_DECODES];
  if (state()[STATE_DECODES] > 0) {
    return refuse(EDIT_SCHEDULED_TWICE, region(REGION_DECODES)[first_lane(1)], state()[STATE_DECODES], 0);
  }
  const Continuation given = {count, (gives & 1) != 0, gives >> 1};
  if (decodes == 0) return count == 0 ? 0 : refuse(EDIT_ROW_NOT_CONTINUED, given.rows[0], given.rows[0], 0);
  int32_t tokens = decodes;
  if (!single_tokens()) {
    tokens = 0;
    for (int32_t lane = 0; lane < state()[STATE_LANES]; lane++) tokens += region(REGION_LANE_LENS)[lane];
    if (!given.has_accepted) {
      const int32_t lane = first_lane(2);
      return refuse(EDIT_QUERY_LENGTH, region(REGION_DECODES)[lane], region(REGION_LANE_LENS)[lane], 1);
    }
  }
  if (tokens > limit(LIMIT_MAX_TOKENS) - state()[STATE_TOKENS]) {
    return refuse(EDIT_TOKENS_FULL, -1, state()[STATE_TOKENS] + tokens, limit(LIMIT_MAX_TOKENS));
  }
  if (int32_t code = count_steps(given)) return code;
  if (int32_t code = append_and_move(given)) return code;
  state()[STATE_DECODES] = decodes;
  state()[STATE_TOKENS] += tokens;
  state()[STATE_LAST_DECODES] = 0;
  return decodes;
}

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
