// Each group's lists lie one after the other in one array, with room for newcomers after each. Where a list is full, all are laid out
// anew: the room is as much as an even share of the lanes, so that this costs a newcomer no more than a number of lanes that does not
// grow with the batch.
#include "lane-events.h"

namespace lockstep {
namespace metadata {
namespace {

/// Most lists whose number divides the tokens of a block, so that a lane that enters a block stays in its list.
int32_t event_buckets(int32_t span) {
  int32_t buckets = min(span, MAX_EVENT_BUCKETS);
  while (span % buckets != 0) buckets--;
  return buckets;
}

/// The list of a lane that starts at `start`, which may be negative.
inline int32_t bucket_of(int32_t start, int32_t buckets) { return modulo(-start, buckets); }

struct Lists {
  int32_t buckets;
  const int32_t* starts = region(REGION_LANE_STARTS);
  int32_t* lanes;
  int32_t* places;
  int32_t* begins;
  int32_t* counts;

  explicit Lists(const KvGroup& group)
      : buckets(group.state()[KV_GROUP_STATE_EVENT_BUCKETS]),
        lanes(group.region(KV_GROUP_REGION_EVENT_LANES)),
        places(group.region(KV_GROUP_REGION_EVENT_PLACES)),
        begins(group.region(KV_GROUP_REGION_EVENT_STARTS)),
        counts(group.region(KV_GROUP_REGION_EVENT_COUNTS)) {}

  int32_t bucket(int32_t lane) const { return bucket_of(starts[lane], buckets); }

  void add(int32_t bucket, int32_t lane) {
    const int32_t place = begins[bucket] + counts[bucket]++;
    lanes[place] = lane;
    places[lane] = place;
  }
};

/// `shifts`: blocks of a power of two of tokens. A division takes as long as all the rest of a lane.
template <bool shifts>
int32_t set_bases(const KvGroup& group, const Entering& entering, int32_t moved) {
  // Read once: the compiler must assume that a store to the bases changes the configuration.
  const int32_t* starts = region(REGION_LANE_STARTS);
  const int32_t* rows = region(REGION_DECODES);
  int64_t* bases = group.region<int64_t>(KV_GROUP_REGION_LANE_BASES);
  const int32_t* lists = group.block_list(0);
  const int64_t stride = group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE);
  const int32_t block_size = group.block_size();
  const int32_t span = group.block_span();
  const int32_t shift = __builtin_ctz(static_cast<uint32_t>(span));
  for (const int32_t* lane = entering.begin; lane < entering.end; lane++) {
    const int32_t position = starts[*lane] + moved;
    const int32_t block = shifts ? position >> shift : position / span;
    const int32_t id = lists[rows[*lane] * stride + block];
    // A null block follows the last of a request: to see it spares a look at the request.
    if (id == 0) return *lane;
    const int64_t ahead = static_cast<int64_t>(id) - block;
    bases[*lane] = shifts ? ahead << shift : ahead * block_size;
  }
  return -1;
}

}  // namespace

void list_lanes(const KvGroup& group) {
  const int32_t buckets = event_buckets(group.block_span());
  group.state()[KV_GROUP_STATE_EVENT_BUCKETS] = buckets;
  Lists lists(group);
  const int32_t* rows = region(REGION_DECODES);
  const int32_t lanes = state()[STATE_LANES];
  fill(lists.counts, buckets, 0);
  for (int32_t lane = 0; lane < lanes; lane++) lists.counts[lists.bucket(lane)] += rows[lane] >= 0;
  const int32_t room = lanes / buckets + EVENT_ROOM;
  lists.begins[0] = 0;
  for (int32_t bucket = 0; bucket < buckets; bucket++) {
    lists.begins[bucket + 1] = lists.begins[bucket] + lists.counts[bucket] + room;
    lists.counts[bucket] = 0;
  }
  for (int32_t lane = 0; lane < lanes; lane++) {
    if (rows[lane] >= 0) lists.add(lists.bucket(lane), lane);
  }
}

void list_lane(const KvGroup& group, int32_t lane) {
  Lists lists(group);
  const int32_t bucket = lists.bucket(lane);
  if (lists.begins[bucket] + lists.counts[bucket] == lists.begins[bucket + 1]) return list_lanes(group);
  lists.add(bucket, lane);
}

void unlist_lane(const KvGroup& group, int32_t lane) {
  Lists lists(group);
  const int32_t bucket = lists.bucket(lane);
  const int32_t last = lists.lanes[lists.begins[bucket] + --lists.counts[bucket]];
  lists.lanes[lists.places[lane]] = last;
  lists.places[last] = lists.places[lane];
}

void relist_lane(const KvGroup& group, int32_t from, int32_t to) {
  Lists lists(group);
  lists.lanes[lists.places[from]] = to;
  lists.places[to] = lists.places[from];
}

int32_t enter_blocks(const KvGroup& group, const Entering& entering, int32_t moved) {
  const int32_t span = group.block_span();
  // With context parallelism lanes have no bases: only that the block is there counts.
  const bool shifts = (span & (span - 1)) == 0;
  return shifts ? set_bases<true>(group, entering, moved) : set_bases<false>(group, entering, moved);
}

}  // namespace metadata
}  // namespace lockstep
