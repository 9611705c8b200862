// What a vote needs to know of the scheduled batch, and where this rank would cut it.
#include "batch-order.h"

namespace lockstep {

int32_t local_cut(int32_t part, int32_t parts) {
  const int32_t* order = region(REGION_ORDER);
  const int32_t decodes = state()[STATE_DECODES];
  const bool all_decode = state()[STATE_PREFILLS] == 0;
  const int32_t cut = static_cast<int32_t>(static_cast<int64_t>(state()[STATE_TOKENS]) * part / parts);
  const int32_t first = static_cast<int32_t>(static_cast<int64_t>(decodes) * part / parts);
  int32_t begin = 0;
  for (int32_t i = 0; i < decodes; i++) {
    const int32_t end = begin + row_at(order[i])[ROW_QUERY_LEN];
    if (all_decode ? i == first : cut < end) return begin;
    begin = end;
  }
  return cut;
}

extern "C" void gather_facts(int32_t parts) {
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t requests = scheduled_requests();
  int32_t* order = region(REGION_ORDER);
  copy(order, region(REGION_DECODES), decodes);
  copy(order + decodes, region(REGION_PREFILLS), requests - decodes);

  int32_t longest = 0;
  int32_t longest_decode = 0;
  int32_t shortest = requests ? INT32_MAX : 0;
  int32_t max_seq_len = 0;
  for (int32_t i = 0; i < requests; i++) {
    const int32_t* row = row_at(order[i]);
    longest = max(longest, row[ROW_QUERY_LEN]);
    if (i < decodes) longest_decode = max(longest_decode, row[ROW_QUERY_LEN]);
    shortest = min(shortest, row[ROW_QUERY_LEN]);
    max_seq_len = max(max_seq_len, row[ROW_NUM_COMPUTED_TOKENS] + row[ROW_QUERY_LEN]);
  }
  int32_t* facts = region(REGION_FACTS);
  facts[FACT_TOKENS] = state()[STATE_TOKENS];
  facts[FACT_PREFILL_REQUESTS] = requests - decodes;
  facts[FACT_DECODE_REQUESTS] = decodes;
  facts[FACT_UNIFORM_QUERY_LEN] = longest == shortest ? longest : 0;
  facts[FACT_MAX_QUERY_LEN] = longest;
  facts[FACT_MAX_SEQ_LEN] = max_seq_len;
  facts[FACT_MAX_DECODE_QUERY_LEN] = longest_decode;
  facts[FACT_SHARED_BLOCK] = 0;

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

}  // namespace lockstep
