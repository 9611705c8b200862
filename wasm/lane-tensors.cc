#include "lane-tensors.h"

#include "batch-order.h"
#include "steady.h"
#include "vectors.h"

namespace lockstep {
namespace metadata {

namespace {

template <bool slots_alone>
inline void write_lanes(const KvGroup& group, int32_t* seq_lens, int64_t* positions, int64_t* slots, int32_t lanes) {
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int32_t moved = state()[STATE_MOVED];
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
  // V8 checks its stack once per loop iteration, so each iteration takes many lanes.
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

/// Windows of decodes of one token each: bases alone are up to date where lanes move on together.
template <bool slots_alone>
inline void write_first_tokens(const KvGroup& group, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window) {
  const int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t moved = state()[STATE_MOVED];
  for (int32_t i = 0; i < lanes; i++, slots += window) {
    const int64_t position = starts[i] + moved;
    slots[0] = bases[i] + position;
    fill<int64_t>(slots + 1, window - 1, -1);
    if (slots_alone) continue;
    positions[0] = position;
    fill<int64_t>(positions + 1, window - 1, 0);
    positions += window;
  }
}

template <bool slots_alone>
inline void write_all_windows(const KvGroup& group, int64_t* positions, int64_t* slots, int32_t lanes, int32_t window, bool whole) {
  if (single_tokens()) {
    write_first_tokens<slots_alone>(group, positions, slots, lanes, window);
  } else if (whole) {
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
  const int32_t moved = state()[STATE_MOVED];
  int32_t missing = 0;
  for (int32_t i = 0; i < lanes; i++) {
    seq_lens[i] = starts[i] + moved + lens[i];
    missing |= lens[i] ^ window;
  }
  write_all_windows<false>(kv_group(0), positions, slots, lanes, window, missing == 0);
}

}  // namespace metadata
}  // namespace lockstep
