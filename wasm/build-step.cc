// The metadata of one step, from the decision all ranks share and this rank's batch.
#include "batch-order.h"
#include "block-table.h"
#include "paged-kv.h"
#include "parts.h"
#include "vectors.h"
#include "whole-batch.h"

namespace lockstep {
namespace metadata {
namespace {

/// Leaves `gap` rows without a request between the order's decodes and prefills: a mixed graph's prefills have rows of
/// their own, whether its decode rows are full or not. Returns the rows from the first request to the last.
int32_t open_gap(int32_t gap) {
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t prefills = state()[STATE_PREFILLS];
  if (gap == 0 || prefills == 0) return decodes + prefills;
  for (int32_t i = prefills - 1; i >= 0; i--) set_place(decodes + gap + i, region(REGION_PREFILLS)[i]);
  for (int32_t i = 0; i < gap; i++) set_place(decodes + i, -1);
  return state()[STATE_ORDER_ROWS] = decodes + gap + prefills;
}

void write_paged_kv_groups(int32_t set, int32_t view, int32_t first_row, int32_t end_row, int32_t attention_requests) {
  for (int32_t g = 0; g < kv_groups(); g++) write_paged_kv(kv_group(g), set, view, first_row, end_row, attention_requests);
}

void note_part(int32_t index, const Part& part, int32_t real_tokens, int32_t logits) {
  int32_t* local = region(REGION_LOCAL) + LOCAL_WORDS + index * LOCAL_PART_WORDS;
  local[LOCAL_PART_REQUEST_BEGIN] = part.request_begin;
  local[LOCAL_PART_REQUEST_END] = part.request_end;
  local[LOCAL_PART_TOKEN_BEGIN] = part.token_begin;
  local[LOCAL_PART_TOKEN_END] = clamp(real_tokens, part.token_begin, part.token_end);
  local[LOCAL_PART_PADDED_TOKENS] = part.padded_tokens;
  local[LOCAL_PART_ATTENTION_REQUESTS] = part.attention_requests;
  local[LOCAL_PART_TABLE_ROW] = part.request_begin;
  local[LOCAL_PART_NUM_LOGITS] = logits;
}

const int32_t* decision_part(const int32_t* decision, int32_t part) {
  return decision + DECISION_WORDS + part * (PART_WORDS + limit(LIMIT_RANKS));
}

/// Parts of a graph: rows and tokens as the key cuts them, whether this rank has requests there or not.
Part graph_part(const int32_t* agreed, const Part& before, int32_t requests) {
  Part part;
  part.request_begin = before.request_begin + before.attention_requests;
  part.attention_requests = agreed[PART_PADDED_REQUESTS];
  part.request_end = clamp(requests, part.request_begin, part.request_begin + part.attention_requests);
  part.token_begin = before.token_end;
  part.token_end = part.token_begin + agreed[PART_PADDED_TOKENS];
  part.padded_tokens = agreed[PART_PADDED_TOKENS];
  return part;
}

/// Parts of an eager step, or of a piecewise graph, whose attention is eager: `tokens` of this rank, padded to what the ranks
/// agreed on.
Part packed_part(int32_t set, const int32_t* agreed, const Part& before, int32_t tokens, int32_t requests) {
  Part part;
  part.token_begin = before.token_end;
  part.token_end = part.token_begin + tokens;
  part.padded_tokens = agreed[PART_PADDED_TOKENS];
  requests_of(tensor(set, 0, TENSOR_QUERY_START_LOC), requests, part.token_begin, part.token_end, &part.request_begin, &part.request_end);
  if (part.request_begin == part.request_end) part.request_begin = part.request_end = 0;
  part.attention_requests = max(1, part.request_end - part.request_begin);
  return part;
}

/// Parts of an eager step are those of each rank's own cut, or its tokens in shares of the agreed size.
bool cuts_itself(const int32_t* decision) {
  return decision[DECISION_RUN] == RUN_EAGER && region(REGION_POLICY)[POLICY_EAGER_PARTS] != EAGER_PARTS_EQUAL_SHARES;
}

/// Tokens of `rank` in part `index`, from packed token `begin` on: those that its window of the graph or its share holds, or its
/// own cut.
int32_t real_tokens(const int32_t* decision, int32_t index, int32_t rank, int32_t stride, int32_t begin) {
  const int32_t* vote = region(REGION_VOTES) + rank * VOTE_WORDS;
  const int32_t packed = stride > 0 ? vote[VOTE_DECODE_REQUESTS] * stride : vote[VOTE_TOKENS];
  if (decision[DECISION_PARTS] == 1) return packed;
  if (cuts_itself(decision)) return vote[VOTE_PART0_TOKENS + index];
  return clamp(packed - begin, 0, decision_part(decision, index)[PART_PADDED_TOKENS]);
}

void tokens_per_rank(int32_t set, const int32_t* decision, int32_t stride) {
  const int32_t ranks = limit(LIMIT_RANKS);
  const int32_t parts = decision[DECISION_PARTS];
  for (int32_t rank = 0; rank < ranks; rank++) {
    int32_t total = 0, total_real = 0, begin = 0;
    for (int32_t part = 0; part < parts; part++) {
      const int32_t* agreed = decision_part(decision, part);
      const int32_t tokens = agreed[PART_WORDS + rank];
      const int32_t real = real_tokens(decision, part, rank, stride, begin);
      total += tokens;
      total_real += real;
      begin += agreed[PART_PADDED_TOKENS];
      if (parts == 1) continue;
      tensor(set, 1 + part, TENSOR_TOKENS_PER_RANK)[rank] = tokens;
      tensor(set, 1 + part, TENSOR_TOKENS_PER_RANK_REAL)[rank] = real;
    }
    tensor(set, 0, TENSOR_TOKENS_PER_RANK)[rank] = total;
    tensor(set, 0, TENSOR_TOKENS_PER_RANK_REAL)[rank] = total_real;
  }
}

}  // namespace

extern "C" {

/// Builds staging set `set` for the decision in memory, in the sizes that the rules wrote into the forward batch, and the rest of
/// that batch. Cannot fail: what could was refused earlier.
void build_step(int32_t set) {
  const int32_t* decision = region(REGION_DECISION);
  const int32_t* facts = region(REGION_FACTS);
  int32_t* local = region(REGION_LOCAL);
  const int32_t run = decision[DECISION_RUN];
  const int32_t requests = scheduled_requests();
  const int32_t tokens = state()[STATE_TOKENS];
  const int32_t parts = decision[DECISION_PARTS];
  const int32_t padded_tokens = local[LOCAL_PADDED_TOKENS];
  const int32_t attention_requests = local[LOCAL_ATTENTION_REQUESTS];
  const int32_t stride = local[LOCAL_QUERY_LEN];
  const bool mixed = run == RUN_FULL && stride == 0;
  const int32_t rows = open_gap(mixed ? max(0, decision[DECISION_PADDED_DECODE_REQUESTS] - state()[STATE_DECODES]) : 0);

  local[LOCAL_STEP] = decision[DECISION_STEP];
  local[LOCAL_STAGING] = set;
  local[LOCAL_TOKENS] = tokens;
  local[LOCAL_REQUESTS] = requests;
  local[LOCAL_DECODE_REQUESTS] = state()[STATE_DECODES];
  local[LOCAL_PARTS] = parts;
  local[LOCAL_MAX_SEQ_LEN] = facts[FACT_MAX_SEQ_LEN];
  local[LOCAL_ROWS] = rows;
  local[LOCAL_NUM_LOGITS] = run == RUN_PARK ? 0 : build_whole(set, {rows, stride, padded_tokens, attention_requests});
  for (int32_t g = 0; g < kv_groups(); g++) {
    if (run == RUN_PARK) {
      kv_group(g).state()[KV_GROUP_STATE_TABLE_EDITS] = 0;
    } else {
      sync_block_table(kv_group(g), set, attention_requests);
    }
  }
  const bool paged = run != RUN_PARK && kv_group(0).size(KV_GROUP_SIZE_MAX_KV_INDICES) > 0;
  if (paged) write_paged_kv_groups(set, 0, 0, rows, attention_requests);

  const int32_t packed_tokens = stride > 0 ? requests * stride : tokens;
  Part part = {0, 0, 0, 0, 0, 0};
  for (int32_t index = 0; parts > 1 && index < parts; index++) {
    const int32_t* agreed = decision_part(decision, index);
    if (run == RUN_FULL) {
      part = graph_part(agreed, part, rows);
    } else {
      int32_t share = cuts_itself(decision) ? facts[FACT_PART0_TOKENS + index] : agreed[PART_PADDED_TOKENS];
      // Without a graph the whole batch has no padding that a part could take.
      if (run == RUN_EAGER) share = min(share, tokens - part.token_end);
      part = packed_part(set, agreed, part, share, rows);
    }
    note_part(index, part, packed_tokens, build_part(set, index, part, attention_requests, local[LOCAL_NUM_LOGITS]));
    if (paged) write_paged_kv_groups(set, 1 + index, part.request_begin, part.request_end, part.attention_requests);
  }
  if (parts == 1) {
    const Part whole = {0, rows, 0, padded_tokens, padded_tokens, attention_requests};
    note_part(0, whole, packed_tokens, local[LOCAL_NUM_LOGITS]);
  }
  if (run != RUN_PARK) tokens_per_rank(set, decision, stride);
  state()[STATE_BUILT] = 1;
}

/// Ends a step: builds it, keeps its decision as the previous one, and clears the schedule.
void end_step(int32_t set) {
  build_step(set);
  copy_vectors(region(REGION_PREVIOUS), region(REGION_DECISION), DECISION_WORDS + MAX_PARTS * (PART_WORDS + limit(LIMIT_RANKS)));
  state_clear_schedule();
}

/// For comparing with other engines: the whole batch padded to given counts, in the layout of an eager step.
void build_padded(int32_t set, int32_t padded_tokens, int32_t attention_requests) {
  gather_facts(1);
  region(REGION_LOCAL)[LOCAL_NUM_LOGITS] = build_whole(set, {scheduled_requests(), 0, padded_tokens, attention_requests});
}

/// For comparing with other engines: a part of `build_padded`'s batch, cut at given tokens.
void build_cut(int32_t set, int32_t index, int32_t token_begin, int32_t token_end, int32_t padded_tokens, int32_t whole_requests) {
  const int32_t requests = scheduled_requests();
  Part part = {0, 0, token_begin, token_end, padded_tokens, 0};
  requests_of(tensor(set, 0, TENSOR_QUERY_START_LOC), requests, token_begin, token_end, &part.request_begin, &part.request_end);
  part.attention_requests = part.request_end - part.request_begin;
  note_part(index, part, state()[STATE_TOKENS], build_part(set, index, part, whole_requests, region(REGION_LOCAL)[LOCAL_NUM_LOGITS]));
}

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
