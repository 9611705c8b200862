// What a vote needs to know of the scheduled batch, and where this rank would cut it.
#include "batch-order.h"
#include "decode-lanes.h"
#include "shared-blocks.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

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
  if (single_tokens()) return 1;
  int32_t differs = 0;
  for (int32_t i = 0; i < decodes; i++) differs |= lens[i] ^ lens[0];
  return differs == 0 ? lens[0] : 0;
}

void set_place(int32_t place, int32_t request) {
  int32_t* order = region(REGION_ORDER) + place;
  int32_t* generation = region(REGION_ORDER_GENERATIONS) + place;
  // A row that was given to another request holds other blocks.
  const int32_t of = request < 0 ? 0 : row_at(request)[ROW_GENERATION];
  if (*order == request && *generation == of) return;
  *order = request;
  *generation = of;
  if (request >= 0) row_at(request)[ROW_TABLE_ROW] = place;
  region(REGION_ORDER_LOG)[state()[STATE_ORDER_CHANGES]++ & (limit(LIMIT_APPEND_LOG) - 1)] = place;
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

namespace {

/// Brings the order up to the batch: decodes in the places of their lanes, then prefills as they were scheduled.
void update_order() {
  const int32_t decodes = state()[STATE_DECODES];
  if (decodes > 0) close_gaps();
  const int32_t prefills = state()[STATE_PREFILLS];
  const int32_t* rows = region(REGION_DECODES);
  const int32_t* changed = region(REGION_CHANGED_LANES);
  int32_t* changes = state() + STATE_CHANGED_LANES;
  if (*changes == ANY_LANE) {
    for (int32_t i = 0; i < decodes; i++) set_place(i, rows[i]);
  }
  for (int32_t i = 0; i < *changes; i++) {
    if (changed[i] < decodes) set_place(changed[i], rows[changed[i]]);
  }
  // Decodes of the last step that may still be continued have lost their places: a check of shared blocks or a refused vote came first.
  *changes = decodes == 0 && state()[STATE_LANES] > 0 ? ANY_LANE : 0;
  for (int32_t i = 0; i < prefills; i++) set_place(decodes + i, region(REGION_PREFILLS)[i]);
  for (int32_t i = decodes + prefills; i < state()[STATE_ORDER_ROWS]; i++) set_place(i, -1);
  state()[STATE_ORDER_ROWS] = decodes + prefills;
}

}  // namespace

extern "C" void gather_facts(int32_t parts) {
  update_order();
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t prefills = state()[STATE_PREFILLS];
  int32_t longest = decodes > 0;
  int32_t shortest = decodes > 0 ? 1 : INT32_MAX;
  int32_t max_seq_len = decodes > 0 ? longest_decode() + state()[STATE_MOVED] : 0;
  if (decodes > 0 && !single_tokens()) {
    const int32_t* lens = region(REGION_LANE_LENS);
    longest = shortest = lens[0];
    for (int32_t i = 1; i < decodes; i++) {
      longest = max(longest, lens[i]);
      shortest = min(shortest, lens[i]);
    }
  }
  const int32_t longest_window = longest;
  for (int32_t i = 0; i < prefills; i++) {
    const int32_t* row = row_at(region(REGION_PREFILLS)[i]);
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
  facts[FACT_MAX_DECODE_QUERY_LEN] = longest_window;
  write_part_facts(parts);
  facts[FACT_SHARED_BLOCK] = parts > 1 && prefills > 0 && shares_blocks(facts + FACT_PART0_TOKENS, parts);
}

}  // namespace metadata
}  // namespace lockstep
