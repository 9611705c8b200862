// A lane keeps a slot base, (block id - block index) * block size, so that slot = base + position until the request enters
// its next block. In a steady run every lane moves on by one token a step: lanes then say where it began, `steadySteps` how
// far it is, and only lanes that enter a block are touched. They are listed by the step in which they next do.
#include "decode-lanes.h"

#include "batch-order.h"
#include "positions.h"
#include "vectors.h"

namespace lockstep {
namespace metadata {

namespace {

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

template <typename T>
inline void close_gap(T* array, int32_t lane, int32_t lanes) {
  for (int32_t i = lane + 1; i < lanes; i++) array[i - 1] = array[i];
}

}  // namespace

void set_lane(int32_t lane, int32_t row, int32_t start, int32_t count) {
  region(REGION_LANE_STARTS)[lane] = start;
  region(REGION_LANE_LENS)[lane] = count;
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) return;
  for (int32_t g = 0; g < kv_groups(); g++) set_lane_blocks(kv_group(g), lane, row, start, count);
}

void drop_lane(int32_t lane, int32_t lanes) {
  close_gap(region(REGION_LANE_STARTS), lane, lanes);
  close_gap(region(REGION_LANE_LENS), lane, lanes);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    close_gap(group.region(KV_GROUP_REGION_LANE_BOUNDS), lane, lanes);
    close_gap(group.region<int64_t>(KV_GROUP_REGION_LANE_BASES), lane, lanes);
    close_gap(group.region<int64_t>(KV_GROUP_REGION_LANE_NEXT_BASES), lane, lanes);
  }
}

namespace {

template <bool slots_alone>
inline void write_lanes(const KvGroup& group, int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int32_t moved = state()[STATE_STEADY_STEPS];
  const i32x4 ahead = {moved, moved, moved, moved};
  const i32x4 one = {1, 1, 1, 1};
  const auto eight = [&](int32_t i) {
    const i32x4 at = load<i32x4>(starts + i) + ahead, next = load<i32x4>(starts + i + 4) + ahead;
    const i64x2 a = widen_low(reinterpret_cast<u32x4>(at)), b = widen_high(reinterpret_cast<u32x4>(at));
    const i64x2 c = widen_low(reinterpret_cast<u32x4>(next)), d = widen_high(reinterpret_cast<u32x4>(next));
    // Stores to one line follow each other: the machine then writes two at once.
    if (!slots_alone) {
      store(seq_lens + i, at + one);
      store(seq_lens + i + 4, next + one);
      store(positions + i, a);
      store(positions + i + 2, b);
      store(positions + i + 4, c);
      store(positions + i + 6, d);
    }
    const i64x2 e = load<i64x2>(bases + i) + a, f = load<i64x2>(bases + i + 2) + b;
    const i64x2 g = load<i64x2>(bases + i + 4) + c, h = load<i64x2>(bases + i + 6) + d;
    store(slots + i, e);
    store(slots + i + 2, f);
    store(slots + i + 4, g);
    store(slots + i + 6, h);
  };
  int32_t i = 0;
  // The engine looks at its stack in every turn of a loop: few turns, and long ones.
  for (; i + 16 <= lanes; i += 16) {
    eight(i);
    eight(i + 8);
  }
  if (i + 8 <= lanes) {
    eight(i);
    i += 8;
  }
  // The rest is written with lanes before it: once more, and the same.
  if (i < lanes && lanes >= 8) {
    eight(lanes - 8);
    return;
  }
  for (; i < lanes; i++) {
    const int32_t position = starts[i] + moved;
    if (!slots_alone) {
      seq_lens[i] = position + 1;
      positions[i] = position;
    }
    slots[i] = bases[i] + position;
  }
}

}  // namespace

void write_decodes(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes) {
  write_lanes<false>(kv_group(0), seq_lens, positions, slots, lanes);
}

namespace {

/// Windows of decodes of which each has a token for every place (`whole`), or some have fewer.
template <bool whole, bool slots_alone>
inline void write_each_window(const KvGroup& group, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* lens = region(REGION_LANE_LENS);
  const int32_t* bounds = group.region(KV_GROUP_REGION_LANE_BOUNDS);
  const int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int64_t* next_bases = group.region<int64_t>(KV_GROUP_REGION_LANE_NEXT_BASES);
  const i64x2 step = {2, 2};
  // A window of odd length overshoots by one entry, into the next one or, the last, into padding: that is put back.
  const int64_t position_beyond = slots_alone ? 0 : positions[static_cast<int64_t>(lanes) * window];
  const int64_t slot_beyond = slots[static_cast<int64_t>(lanes) * window];
  for (int32_t i = 0; i < lanes; i++, slots += window) {
    const int64_t start = starts[i];
    const int64_t end = start + lens[i];
    const int64_t bound = bounds[i];
    const i64x2 ends = {end, end};
    const i64x2 bounds2 = {bound, bound};
    const i64x2 next = {next_bases[i], next_bases[i]};
    const i64x2 change = {bases[i] - next_bases[i], bases[i] - next_bases[i]};
    i64x2 position = {start, start + 1};
    for (int32_t j = 0; j < window; j += 2) {
      const i64x2 slot = position + next + (change & reinterpret_cast<i64x2>(position < bounds2));
      const i64x2 real = reinterpret_cast<i64x2>(position < ends);
      if (!slots_alone) store(positions + j, whole ? position : position & real);
      store(slots + j, whole ? slot : slot | ~real);
      position += step;
    }
    if (!slots_alone) positions += window;
  }
  if (!slots_alone) *positions = position_beyond;
  *slots = slot_beyond;
}

template <bool slots_alone>
inline void write_all_windows(const KvGroup& group, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window, bool whole) {
  if (whole) {
    write_each_window<true, slots_alone>(group, positions, slots, lanes, window);
  } else {
    write_each_window<false, slots_alone>(group, positions, slots, lanes, window);
  }
}

}  // namespace

void write_lane_slots(const KvGroup& group, int64_t* slots, int32_t lanes, int32_t window) {
  if (window == 1) return write_lanes<true>(group, nullptr, nullptr, slots, lanes);
  write_all_windows<true>(group, nullptr, slots, lanes, window, uniform_decode_len() == window);
}

void write_windows(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* lens = region(REGION_LANE_LENS);
  int32_t missing = 0;
  for (int32_t i = 0; i < lanes; i++) {
    seq_lens[i] = starts[i] + lens[i];
    missing |= lens[i] ^ window;
  }
  write_all_windows<false>(kv_group(0), positions, slots, lanes, window, missing == 0);
}

namespace {

/// Most lists whose number divides the block size, so that a lane that enters a block stays in its list.
int32_t event_buckets(int32_t block_size) {
  int32_t buckets = min(block_size, MAX_EVENT_BUCKETS);
  while (block_size % buckets != 0) buckets--;
  return buckets;
}

/// Lists the lanes by the step in which they next enter a block of the group.
void list_events(const KvGroup& group, int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  int32_t* ends = group.region(KV_GROUP_REGION_EVENT_STARTS);
  int32_t* listed = group.region(KV_GROUP_REGION_EVENT_LANES);
  const int32_t buckets = event_buckets(group.block_size());
  fill(ends, MAX_EVENT_BUCKETS + 1, 0);
  for (int32_t i = 0; i < lanes; i++) ends[(buckets - starts[i] % buckets) % buckets]++;
  for (int32_t bucket = 1; bucket <= buckets; bucket++) ends[bucket] += ends[bucket - 1];
  for (int32_t i = lanes - 1; i >= 0; i--) listed[--ends[(buckets - starts[i] % buckets) % buckets]] = i;
  group.state()[KV_GROUP_STATE_EVENT_BUCKETS] = buckets;
}

void begin_steady(int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  int32_t longest = 0;
  for (int32_t i = 0; i < lanes; i++) longest = max(longest, starts[i]);
  for (int32_t g = 0; g < kv_groups(); g++) list_events(kv_group(g), lanes);
  state()[STATE_STEADY] = 1;
  state()[STATE_SEEN_ALONE] = -1;
  state()[STATE_STEADY_STEPS] = 0;
  state()[STATE_STEADY_ROOM] = limit(LIMIT_MAX_MODEL_LEN) - longest - 1;
  state()[STATE_STEADY_MAX_SEQ_LEN] = longest + 1;
}

/// Gives lanes the bases of their blocks of a group `moved` steps after their start. Returns the first that lacks its block, or the end.
template <bool shifts>
const int32_t* set_bases(const KvGroup& group, const Entering& entering, int32_t moved) {
  // Looked up once: a store to the bases might, for all the compiler knows, change the configuration.
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* rows = region(REGION_DECODES);
  int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int32_t* lists = group.block_list(0);
  const int64_t stride = group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE);
  const int32_t block_size = group.block_size();
  const int32_t shift = __builtin_ctz(static_cast<uint32_t>(block_size));
  for (const int32_t* lane = entering.begin; lane < entering.end; lane++) {
    const int32_t position = starts[*lane] + moved;
    const int32_t block = shifts ? position >> shift : position / block_size;
    const int32_t id = lists[rows[*lane] * stride + block];
    // A null block follows the last of a request: to see it spares a look at the request.
    if (id == 0) return lane;
    const int64_t ahead = static_cast<int64_t>(id) - block;
    bases[*lane] = shifts ? ahead << shift : ahead * block_size;
  }
  return entering.end;
}

const int32_t* enter_blocks(const KvGroup& group, const Entering& entering, int32_t moved) {
  // A division takes as long as all the rest of a lane's turn; most block sizes are powers of two.
  const int32_t block_size = group.block_size();
  const bool shifts = (block_size & (block_size - 1)) == 0;
  return shifts ? set_bases<true>(group, entering, moved) : set_bases<false>(group, entering, moved);
}

/// Moves a steady run on by one step, or refuses it whole.
int32_t move_on(int32_t lanes) {
  const int32_t moved = state()[STATE_STEADY_STEPS] + 1;
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* rows = region(REGION_DECODES);
  if (moved > state()[STATE_STEADY_ROOM]) {
    int32_t lane = 0;
    while (lane + 1 < lanes && starts[lane] + 1 < state()[STATE_STEADY_MAX_SEQ_LEN]) lane++;
    return refuse(EDIT_MODEL_LENGTH, rows[lane], starts[lane] + moved + 1, limit(LIMIT_MAX_MODEL_LEN));
  }
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    const Entering entering(group, moved);
    const int32_t* lane = enter_blocks(group, entering, moved);
    if (lane == entering.end) continue;
    // All so far go back to where they were.
    for (int32_t back = 0; back <= g; back++) enter_blocks(kv_group(back), Entering(kv_group(back), moved), moved - 1);
    const int32_t covered = group.block_counts()[rows[*lane]] * group.block_size();
    return refuse(EDIT_POSITION_BEYOND_BLOCKS, rows[*lane], starts[*lane] + moved + 1, covered, g);
  }
  state()[STATE_STEADY_STEPS] = moved;
  return EDIT_OK;
}

/// One step more of decodes that lanes do not serve: each row is looked at.
int32_t move_each(int32_t lanes) {
  const int32_t* rows = region(REGION_DECODES);
  for (int32_t i = 0; i < lanes; i++) {
    const int32_t end = row_at(rows[i])[ROW_NUM_COMPUTED_TOKENS] + 2;
    if (int32_t code = check_positions(rows[i], end)) return code;
  }
  for (int32_t i = 0; i < lanes; i++) {
    int32_t* row = row_at(rows[i]);
    row[ROW_NUM_COMPUTED_TOKENS]++;
    row[ROW_SCHEDULED] = 1;
    row[ROW_TOKEN_OFFSET] = -1;
    row[ROW_DEPENDS_ON] = 0;
    set_lane(i, rows[i], row[ROW_NUM_COMPUTED_TOKENS], 1);
  }
  return EDIT_OK;
}

}  // namespace

void settle() {
  if (!state()[STATE_STEADY]) return;
  const int32_t moved = state()[STATE_STEADY_STEPS];
  const int32_t scheduled = state()[STATE_DECODES];
  const int32_t lanes = scheduled ? scheduled : state()[STATE_LAST_DECODES];
  const int32_t* rows = region(REGION_DECODES);
  state()[STATE_STEADY] = 0;
  state()[STATE_SEEN_ALONE] = -1;
  state()[STATE_STEADY_STEPS] = 0;
  for (int32_t i = 0; i < lanes; i++) {
    int32_t* row = row_at(rows[i]);
    row[ROW_NUM_COMPUTED_TOKENS] += moved;
    row[ROW_SCHEDULED] = scheduled ? 1 : 0;
    row[ROW_TOKEN_OFFSET] = -1;
    row[ROW_DEPENDS_ON] = 0;
    set_lane(i, rows[i], row[ROW_NUM_COMPUTED_TOKENS], 1);
  }
}

extern "C" {

/// Brings the rows up to date before they are read from outside.
void state_settle() { settle(); }

/// Every decode of the step that was built last is computed, and its next token is scheduled, in the same order. Each had
/// one token. Returns their number.
int32_t state_continue() {
  const int32_t lanes = state()[STATE_LAST_DECODES];
  if (state()[STATE_DECODES] > 0) return refuse(EDIT_SCHEDULED_TWICE, region(REGION_DECODES)[0], state()[STATE_DECODES], 0);
  if (lanes > limit(LIMIT_MAX_TOKENS) - state()[STATE_TOKENS]) {
    return refuse(EDIT_TOKENS_FULL, -1, state()[STATE_TOKENS] + lanes, limit(LIMIT_MAX_TOKENS));
  }
  const int32_t* lens = region(REGION_LANE_LENS);
  const bool steady = state()[STATE_STEADY];
  for (int32_t i = 0; !steady && i < lanes; i++) {
    if (lens[i] != 1) return refuse(EDIT_QUERY_LENGTH, region(REGION_DECODES)[i], lens[i], 1);
  }
  if (lanes > 0) {
    const bool served = lanes_serve(kv_group(0), 1) && state()[STATE_PREFILLS] == 0;
    if (served && !steady) begin_steady(lanes);
    const int32_t code = served ? move_on(lanes) : move_each(lanes);
    if (code != EDIT_OK) return code;
  }
  state()[STATE_DECODES] = lanes;
  state()[STATE_TOKENS] += lanes;
  state()[STATE_LAST_DECODES] = 0;
  return lanes;
}

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
