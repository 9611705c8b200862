// A lane keeps a slot base, (block id - block index) * block size, so that slot = base + position until the request enters its next block.
#include "decode-lanes.h"

#include "lane-events.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

/// Notes that a lane has another request than at the last vote.
void note_changed(int32_t lane) {
  int32_t* count = state() + STATE_CHANGED_LANES;
  if (*count == ANY_LANE) return;
  if (*count == limit(LIMIT_MAX_REQUESTS)) {
    *count = ANY_LANE;
  } else {
    region(REGION_CHANGED_LANES)[(*count)++] = lane;
  }
}

/// Forgets all lanes. What they said must be in the rows, or of no request.
void clear_lanes() {
  state()[STATE_LANES] = state()[STATE_GAPS] = state()[STATE_LAST_DECODES] = 0;
  state()[STATE_WINDOWED] = state()[STATE_MOVED] = state()[STATE_LISTED] = 0;
  state()[STATE_LONGEST] = GAP_START;
  state()[STATE_LONGEST_KNOWN] = 1;
  state()[STATE_SEEN_ALONE] = -1;
}

template <typename T>
inline void move_entry(T* array, int32_t from, int32_t to) {
  array[to] = array[from];
}

/// Moves the last lane into a gap.
void move_last(int32_t to) {
  const int32_t from = --state()[STATE_LANES];
  const int32_t row = region(REGION_DECODES)[from];
  move_entry(region(REGION_DECODES), from, to);
  move_entry(region(REGION_LANE_STARTS), from, to);
  move_entry(region(REGION_LANE_LENS), from, to);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    move_entry(group.region(KV_GROUP_REGION_LANE_BOUNDS), from, to);
    move_entry(group.region<int64_t>(KV_GROUP_REGION_LANE_BASES), from, to);
    move_entry(group.region<int64_t>(KV_GROUP_REGION_LANE_NEXT_BASES), from, to);
    if (lanes_listed()) relist_lane(group, from, to);
  }
  row_at(row)[ROW_LANE] = to + 1;
  note_changed(to);
}

}  // namespace

void set_lane_blocks(const KvGroup& group, int32_t lane, int32_t row, int32_t start, int32_t count) {
  const int32_t block_size = group.block_size();
  const int32_t block = start / block_size;
  const int32_t* blocks = group.block_list(row) + block;
  const int64_t base = (static_cast<int64_t>(blocks[0]) - block) * block_size;
  const int32_t bound = (block + 1) * block_size;
  group.region(KV_GROUP_REGION_LANE_BOUNDS)[lane] = bound;
  group.region<int64_t>(KV_GROUP_REGION_LANE_BASES)[lane] = base;
  group.region<int64_t>(KV_GROUP_REGION_LANE_NEXT_BASES)[lane] =
      start + count > bound ? (static_cast<int64_t>(blocks[1]) - block - 1) * block_size : base;
}

void take_lane(int32_t row, int32_t count) {
  const int32_t position = row_at(row)[ROW_NUM_COMPUTED_TOKENS];
  // Windows of several tokens need what lanes that move together leave behind.
  if (count > 1 && lanes_listed()) settle_lanes();
  const int32_t lane = state()[STATE_GAPS] > 0 ? region(REGION_FREED_LANES)[--state()[STATE_GAPS]] : state()[STATE_LANES]++;
  const int32_t start = position - state()[STATE_MOVED];
  region(REGION_DECODES)[lane] = row;
  region(REGION_LANE_STARTS)[lane] = start;
  region(REGION_LANE_LENS)[lane] = count;
  row_at(row)[ROW_LANE] = lane + 1;
  state()[STATE_WINDOWED] += count > 1;
  state()[STATE_LONGEST] = max(state()[STATE_LONGEST], start + count);
  state()[STATE_DECODES]++;
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) == 1) set_lane_blocks(group, lane, row, position, count);
    if (lanes_listed()) list_lane(group, lane);
  }
  note_changed(lane);
}

void free_lane(int32_t lane) {
  int32_t* start = region(REGION_LANE_STARTS) + lane;
  int32_t* len = region(REGION_LANE_LENS) + lane;
  for (int32_t g = 0; lanes_listed() && g < kv_groups(); g++) unlist_lane(kv_group(g), lane);
  if (*start + *len == state()[STATE_LONGEST]) state()[STATE_LONGEST_KNOWN] = 0;
  state()[STATE_WINDOWED] -= *len > 1;
  region(REGION_DECODES)[lane] = -1;
  *start = GAP_START;
  *len = 0;
  region(REGION_FREED_LANES)[state()[STATE_GAPS]++] = lane;
  if (--state()[state()[STATE_DECODES] > 0 ? STATE_DECODES : STATE_LAST_DECODES] == 0) clear_lanes();
}

void close_gaps() {
  const int32_t* rows = region(REGION_DECODES);
  int32_t* lanes = state() + STATE_LANES;
  while (state()[STATE_GAPS] > 0) {
    const int32_t gap = region(REGION_FREED_LANES)[--state()[STATE_GAPS]];
    while (*lanes > 0 && rows[*lanes - 1] < 0) --*lanes;
    if (gap < *lanes) move_last(gap);
  }
}

void end_lanes() {
  const int32_t* rows = region(REGION_DECODES);
  for (int32_t lane = 0; lane < state()[STATE_LANES]; lane++) {
    if (rows[lane] < 0) continue;
    int32_t* fields = row_at(rows[lane]);
    fields[ROW_NUM_COMPUTED_TOKENS] = lane_position(lane);
    fields[ROW_LANE] = 0;
  }
  clear_lanes();
}

void settle_lanes() {
  const int32_t moved = state()[STATE_MOVED];
  const int32_t* rows = region(REGION_DECODES);
  int32_t* starts = region(REGION_LANE_STARTS);
  state()[STATE_MOVED] = state()[STATE_LISTED] = 0;
  state()[STATE_LONGEST] += moved;
  state()[STATE_SEEN_ALONE] = -1;
  for (int32_t lane = 0; lane < state()[STATE_LANES]; lane++) {
    if (rows[lane] < 0) continue;
    starts[lane] += moved;
    if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) continue;
    const int32_t count = region(REGION_LANE_LENS)[lane];
    for (int32_t g = 0; g < kv_groups(); g++) set_lane_blocks(kv_group(g), lane, rows[lane], starts[lane], count);
  }
}

int32_t longest_decode() {
  if (state()[STATE_LONGEST_KNOWN]) return state()[STATE_LONGEST];
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* lens = region(REGION_LANE_LENS);
  int32_t longest = GAP_START;
  for (int32_t lane = 0; lane < state()[STATE_LANES]; lane++) longest = max(longest, starts[lane] + lens[lane]);
  state()[STATE_LONGEST_KNOWN] = 1;
  return state()[STATE_LONGEST] = longest;
}

}  // namespace metadata
}  // namespace lockstep
