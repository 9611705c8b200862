// Lanes of one token, listed by the step in which they enter a block of a KV cache group.
#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// `value` modulo `by`, at least 0. A division takes longer than all else that a step does to find its lanes.
inline int32_t modulo(int32_t value, int32_t by) {
  if ((by & (by - 1)) == 0) return value & (by - 1);
  const int32_t rest = value % by;
  return rest < 0 ? rest + by : rest;
}

/// The lanes that may enter a block of a group once the lanes have moved on `moved` times.
struct Entering {
  const int32_t* begin;
  const int32_t* end;

  Entering(const KvGroup& group, int32_t moved) {
    const int32_t bucket = modulo(moved, group.state()[KV_GROUP_STATE_EVENT_BUCKETS]);
    begin = group.region(KV_GROUP_REGION_EVENT_LANES) + group.region(KV_GROUP_REGION_EVENT_STARTS)[bucket];
    end = begin + group.region(KV_GROUP_REGION_EVENT_COUNTS)[bucket];
  }
};

/// Lists all lanes of a group.
void list_lanes(const KvGroup& group);

/// Lists one lane more, whose start is set.
void list_lane(const KvGroup& group, int32_t lane);

/// Takes a lane out of its list. Its start must still be set.
void unlist_lane(const KvGroup& group, int32_t lane);

/// Makes the entry of lane `from` one of lane `to`, which has the same start.
void relist_lane(const KvGroup& group, int32_t from, int32_t to);

/// Lets the listed lanes into the blocks that they enter after `moved` steps, or come back to after `moved` + 1. Returns the first lane
/// whose request lacks the block, or -1.
int32_t enter_blocks(const KvGroup& group, const Entering& entering, int32_t moved);

}  // namespace metadata
}  // namespace lockstep
