// What a vote needs to know of the scheduled batch, and where this rank would cut it.
#include "batch-order.h"
#include "decode-lanes.h"
#include "shared-blocks.h"

namespace lockstep {
namespace metadata {
namespace {

/// Copies `count` rows into the order. Returns whether they are others than before.
bool place(int32_t* to, const int32_t* from, int32_t count) {
  int32_t differs = 0;
  for (int32_t i = 0; i < count; i++) differs |= to[i] ^ from[i];
  if (differs != 0) copy(to, from, count);
  return differs != 0;
}

void write_part_facts(int32_t parts) {
  int32_t* facts = region(REGION_FACTS);
  bool can_split = parts > 1;
  int32_t begin = 0;
  for (int32_t part = 0; part < MAX_PARTS; part++) {
    int32_t end = begin;
    if (part < parts) end = part + 1 == parts ? state()[STATE_TOKENS] : local_cut(part + 1, parts);
    facts[FACT_PART0_TOKENS + part] = end - begin;
    if (part < parts && end == begin) can_split = false;
    begin = end;
  }
  facts[FACT_CAN_SPLIT] = can_split;
}

}  // namespace

int32_t uniform_decode_len() {
  const int32_t* lens = region(REGION_LANE_LENS);
  const int32_t decodes = state()[STATE_DECODES];
  if (decodes == 0) return 0;
  int32_t differs = 0;
  for (int32_t i = 0; !state()[STATE_STEADY] && i < decodes; i++) differs |= lens[i] ^ lens[0];
  return differs == 0 ? lens[0] : 0;
}

void note_order(int32_t rows, bool changed) {
  if (!changed && rows == state()[STATE_ORDER_ROWS]) return;
  const int32_t* order = region(REGION_ORDER);
  for (int32_t i = 0; i < rows; i++) {
    if (order[i] >= 0) row_at(order[i])[ROW_TABLE_ROW] = i;
  }
  state()[STATE_ORDER_ROWS] = rows;
  state()[STATE_ORDER_VERSION]++;
}

namespace {

int32_t share_of(int32_t count, int32_t part, int32_t parts) { return static_cast<int32_t>(static_cast<int64_t>(count) * part / parts); }

int32_t query_len(int32_t request) { return row_at(region(REGION_ORDER)[request])[ROW_QUERY_LEN]; }

/// First token of the decode at `request`, or of what follows the last.
int32_t decode_start(int32_t request) {
  const int32_t uniform = uniform_decode_len();
  if (uniform > 0) return request * uniform;
  int32_t start = 0;
  for (int32_t i = 0; i < request; i++) start += region(REGION_LANE_LENS)[i];
  return start;
}

/// `token`, or the first token of the decode that it is inside of: a decode's drafts stay together.
int32_t outside_decodes(int32_t token) {
  const int32_t* lens = region(REGION_LANE_LENS);
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t uniform = uniform_decode_len();
  if (uniform > 0) return token < decodes * uniform ? token / uniform * uniform : token;
  int32_t begin = 0;
  for (int32_t i = 0; i < decodes; i++) {
    if (token < begin + lens[i]) return begin;
    begin += lens[i];
  }
  return token;
}

/// The request boundary nearest to each share, with at least one request on either side; of two as near, the later.
/// Source: ATOM's balanced prefill split.
int32_t balanced_cut(int32_t part, int32_t parts) {
  const int32_t requests = scheduled_requests();
  if (requests < parts) return 0;
  int32_t cut = 0;
  int32_t start = 0;
  for (int32_t before = 1; before <= part; before++) {
    const int32_t share = share_of(state()[STATE_TOKENS], before, parts);
    const int32_t last = requests - (parts - before);
    start += query_len(cut++);
    while (cut < last && start < share) {
      const int32_t next = start + query_len(cut);
      if (next >= share && share - start < next - share) break;
      start = next;
      cut++;
    }
  }
  return start;
}

}  // namespace

int32_t local_cut(int32_t part, int32_t parts) {
  const int32_t split = region(REGION_POLICY)[POLICY_SPLIT];
  const int32_t tokens = state()[STATE_TOKENS];
  if (state()[STATE_PREFILLS] == 0) {
    const int32_t decodes = state()[STATE_DECODES];
    const bool rest_to_last = split == SPLIT_BALANCED || split == SPLIT_TOKEN_MIDPOINT;
    return decode_start(rest_to_last ? part * (decodes / parts) : share_of(decodes, part, parts));
  }
  switch (split) {
    case SPLIT_BALANCED:
      return balanced_cut(part, parts);
    case SPLIT_TOKEN_MIDPOINT:
      return share_of(tokens, part, parts);
    case SPLIT_PADDED_SHARE: {
      const int32_t alignment = region(REGION_POLICY)[POLICY_TOKEN_ALIGNMENT];
      return min(tokens, (tokens + alignment - 1) / alignment * alignment / parts * part);
    }
    default:
      return outside_decodes(share_of(tokens, part, parts));
  }
}

extern "C" void gather_facts(int32_t parts) {
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t prefills = state()[STATE_PREFILLS];
  int32_t longest = 0;
  int32_t shortest = INT32_MAX;
  int32_t max_seq_len = 0;
  if (state()[STATE_STEADY] && decodes > 0) {
    longest = shortest = 1;
    max_seq_len = state()[STATE_STEADY_MAX_SEQ_LEN] + state()[STATE_STEADY_STEPS];
  } else {
    const int32_t* starts = region(REGION_LANE_STARTS);
    const int32_t* lens = region(REGION_LANE_LENS);
    for (int32_t i = 0; i < decodes; i++) {
      longest = max(longest, lens[i]);
      shortest = min(shortest, lens[i]);
      max_seq_len = max(max_seq_len, starts[i] + lens[i]);
    }
  }
  const int32_t longest_decode = longest;
  int32_t* order = region(REGION_ORDER);
  // A steady run goes on with the decodes of the step before, which were placed then; whoever leaves or joins ends it.
  if (!state()[STATE_STEADY] || prefills > 0 || state()[STATE_ORDER_ROWS] != decodes) {
    const bool new_decodes = place(order, region(REGION_DECODES), decodes);
    const bool new_prefills = place(order + decodes, region(REGION_PREFILLS), prefills);
    note_order(decodes + prefills, new_decodes || new_prefills);
  }
  for (int32_t i = decodes; i < decodes + prefills; i++) {
    const int32_t* row = row_at(order[i]);
    longest = max(longest, row[ROW_QUERY_LEN]);
    shortest = min(shortest, row[ROW_QUERY_LEN]);
    max_seq_len = max(max_seq_len, row[ROW_NUM_COMPUTED_TOKENS] + row[ROW_QUERY_LEN]);
  }

  int32_t* facts = region(REGION_FACTS);
  facts[FACT_TOKENS] = state()[STATE_TOKENS];
  facts[FACT_PREFILL_REQUESTS] = prefills;
  facts[FACT_DECODE_REQUESTS] = decodes;
  facts[FACT_UNIFORM_QUERY_LEN] = longest == shortest ? longest : 0;
  facts[FACT_MAX_QUERY_LEN] = longest;
  facts[FACT_MAX_SEQ_LEN] = max_seq_len;
  facts[FACT_MAX_DECODE_QUERY_LEN] = longest_decode;
  write_part_facts(parts);
  facts[FACT_SHARED_BLOCK] = parts > 1 && prefills > 0 && shares_blocks(facts + FACT_PART0_TOKENS, parts);
}

}  // namespace metadata
}  // namespace lockstep
