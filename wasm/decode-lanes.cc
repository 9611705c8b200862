// A lane keeps a slot base, (block id - block index) * block size, so that slot = base + position until the request enters
// its next block. In a steady run every lane moves on by one token a step: lanes then say where it began, `steadySteps` how
// far it is, and only lanes that enter a block are touched. They are listed by the step in which they next do.
#include "decode-lanes.h"

#include "refusal.h"
#include "vectors.h"

namespace lockstep {
namespace metadata {

void set_lane(int32_t lane, int32_t row, int32_t start, int32_t count) {
  region(REGION_LANE_STARTS)[lane] = start;
  region(REGION_LANE_LENS)[lane] = count;
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) return;
  const int32_t block_size = limit(LIMIT_BLOCK_SIZE);
  const int32_t block = start / block_size;
  const int32_t* blocks = block_list(row) + block;
  const int64_t base = (static_cast<int64_t>(blocks[0]) - block) * block_size;
  const int32_t bound = (block + 1) * block_size;
  region(REGION_LANE_BOUNDS)[lane] = bound;
  region<int64_t>(REGION_LANE_BASES)[lane] = base;
  region<int64_t>(REGION_LANE_NEXT_BASES)[lane] =
      start + count > bound ? (static_cast<int64_t>(blocks[1]) - block - 1) * block_size : base;
}

void drop_lane(int32_t lane, int32_t lanes) {
  int32_t* const words[] = {region(REGION_LANE_STARTS), region(REGION_LANE_LENS), region(REGION_LANE_BOUNDS)};
  for (int32_t* array : words) {
    for (int32_t i = lane + 1; i < lanes; i++) array[i - 1] = array[i];
  }
  int64_t* const bases[] = {region<int64_t>(REGION_LANE_BASES), region<int64_t>(REGION_LANE_NEXT_BASES)};
  for (int64_t* array : bases) {
    for (int32_t i = lane + 1; i < lanes; i++) array[i - 1] = array[i];
  }
}

namespace {

template <bool slots_alone>
inline void write_lanes(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int64_t* bases = region<int64_t>(REGION_LANE_BASES);
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
  write_lanes<false>(seq_lens, positions, slots, lanes);
}

void write_decode_slots(int64_t* slots, int32_t lanes) { write_lanes<true>(nullptr, nullptr, slots, lanes); }

namespace {

/// Windows of decodes of which each has a token for every place (`whole`), or some have fewer.
template <bool whole>
inline void write_each_window(int64_t* positions, int64_t* slots, int32_t lanes, int32_t window) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* lens = region(REGION_LANE_LENS);
  const int32_t* bounds = region(REGION_LANE_BOUNDS);
  const int64_t* bases = region<int64_t>(REGION_LANE_BASES);
  const int64_t* next_bases = region<int64_t>(REGION_LANE_NEXT_BASES);
  const i64x2 step = {2, 2};
  // A window of odd length overshoots by one entry, into the next one or, the last, into padding: that is put back.
  const int64_t position_beyond = positions[static_cast<int64_t>(lanes) * window];
  const int64_t slot_beyond = slots[static_cast<int64_t>(lanes) * window];
  for (int32_t i = 0; i < lanes; i++, positions += window, slots += window) {
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
      store(positions + j, whole ? position : position & real);
      store(slots + j, whole ? slot : slot | ~real);
      position += step;
    }
  }
  *positions = position_beyond;
  *slots = slot_beyond;
}

}  // namespace

void write_windows(int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* lens = region(REGION_LANE_LENS);
  int32_t missing = 0;
  for (int32_t i = 0; i < lanes; i++) {
    seq_lens[i] = starts[i] + lens[i];
    missing |= lens[i] ^ window;
  }
  if (missing == 0) {
    write_each_window<true>(positions, slots, lanes, window);
  } else {
    write_each_window<false>(positions, slots, lanes, window);
  }
}

namespace {

/// Most lists whose number divides the block size, so that a lane that enters a block stays in its list.
int32_t event_buckets() {
  const int32_t block_size = limit(LIMIT_BLOCK_SIZE);
  int32_t buckets = min(block_size, MAX_EVENT_BUCKETS);
  while (block_size % buckets != 0) buckets--;
  return buckets;
}

/// Lists the lanes by the step in which they next enter a block.
void begin_steady(int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  int32_t* ends = region(REGION_EVENT_STARTS);
  int32_t* listed = region(REGION_EVENT_LANES);
  const int32_t buckets = event_buckets();
  int32_t longest = 0;
  fill(ends, MAX_EVENT_BUCKETS + 1, 0);
  for (int32_t i = 0; i < lanes; i++) {
    longest = max(longest, starts[i]);
    ends[(buckets - starts[i] % buckets) % buckets]++;
  }
  for (int32_t bucket = 1; bucket <= buckets; bucket++) ends[bucket] += ends[bucket - 1];
  for (int32_t i = lanes - 1; i >= 0; i--) listed[--ends[(buckets - starts[i] % buckets) % buckets]] = i;
  state()[STATE_EVENT_BUCKETS] = buckets;
  state()[STATE_STEADY] = 1;
  state()[STATE_STEADY_STEPS] = 0;
  state()[STATE_STEADY_ROOM] = limit(LIMIT_MAX_MODEL_LEN) - longest - 1;
  state()[STATE_STEADY_MAX_SEQ_LEN] = longest + 1;
}

/// Where a position lies. A division takes as long as all the rest of a lane's turn; most block sizes are powers of two.
template <bool shifts>
struct Blocks {
  int32_t block_size = limit(LIMIT_BLOCK_SIZE);
  int32_t shift = __builtin_ctz(static_cast<uint32_t>(block_size));

  inline int32_t of(int32_t position) const { return shifts ? position >> shift : position / block_size; }
  inline int64_t base(int32_t id, int32_t block) const {
    const int64_t ahead = static_cast<int64_t>(id) - block;
    return shifts ? ahead << shift : ahead * block_size;
  }
};

/// Gives the lanes listed in [begin, end) the bases of the blocks that they enter `moved` steps after their start. Returns `end`, or
/// the place of the first that lacks the block: nobody reads the bases written so far, for either the same step is tried again, or
/// the run ends and every lane is set anew.
template <bool shifts>
int32_t enter_blocks(int32_t begin, int32_t end, int32_t moved) {
  const Blocks<shifts> blocks;
  // Looked up once: a store to the bases might, for all the compiler knows, change the configuration.
  const int32_t* listed = region(REGION_EVENT_LANES);
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* rows = region(REGION_DECODES);
  const int32_t* lists = region(REGION_BLOCK_LISTS);
  const int64_t stride = limit(LIMIT_BLOCK_LIST_STRIDE);
  int64_t* bases = region<int64_t>(REGION_LANE_BASES);
  for (int32_t i = begin; i < end; i++) {
    const int32_t lane = listed[i];
    const int32_t block = blocks.of(starts[lane] + moved);
    const int32_t id = lists[rows[lane] * stride + block];
    // A null block follows the last of a request: to see it spares a look at the request.
    if (id == 0) return i;
    bases[lane] = blocks.base(id, block);
  }
  return end;
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
  const int32_t block_size = limit(LIMIT_BLOCK_SIZE);
  const int32_t* bucket = region(REGION_EVENT_STARTS) + moved % state()[STATE_EVENT_BUCKETS];
  const int32_t begin = bucket[0], end = bucket[1];
  const bool shifts = (block_size & (block_size - 1)) == 0;
  const int32_t last = shifts ? enter_blocks<true>(begin, end, moved) : enter_blocks<false>(begin, end, moved);
  if (last < end) {
    const int32_t lane = region(REGION_EVENT_LANES)[last];
    const int32_t covered = row_at(rows[lane])[ROW_NUM_BLOCKS] * block_size;
    return refuse(EDIT_POSITION_BEYOND_BLOCKS, rows[lane], starts[lane] + moved + 1, covered);
  }
  state()[STATE_STEADY_STEPS] = moved;
  return EDIT_OK;
}

/// One step more of decodes that lanes do not serve: each row is looked at.
int32_t move_each(int32_t lanes) {
  const int32_t* rows = region(REGION_DECODES);
  for (int32_t i = 0; i < lanes; i++) {
    const int32_t end = row_at(rows[i])[ROW_NUM_COMPUTED_TOKENS] + 2;
    const int64_t covered = static_cast<int64_t>(row_at(rows[i])[ROW_NUM_BLOCKS]) * block_span();
    if (end > limit(LIMIT_MAX_MODEL_LEN)) return refuse(EDIT_MODEL_LENGTH, rows[i], end, limit(LIMIT_MAX_MODEL_LEN));
    if (end > covered) return refuse(EDIT_POSITION_BEYOND_BLOCKS, rows[i], end, static_cast<int32_t>(covered));
  }
  for (int32_t i = 0; i < lanes; i++) {
    int32_t* row = row_at(rows[i]);
    row[ROW_NUM_COMPUTED_TOKENS]++;
    row[ROW_SCHEDULED] = 1;
    row[ROW_TOKEN_OFFSET] = -1;
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
  state()[STATE_STEADY_STEPS] = 0;
  for (int32_t i = 0; i < lanes; i++) {
    int32_t* row = row_at(rows[i]);
    row[ROW_NUM_COMPUTED_TOKENS] += moved;
    row[ROW_SCHEDULED] = scheduled ? 1 : 0;
    row[ROW_TOKEN_OFFSET] = -1;
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
    const bool served = lanes_serve(1) && state()[STATE_PREFILLS] == 0;
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
