#include "parts.h"

#include "slot-mapping.h"
#include "vectors.h"

namespace lockstep {
namespace metadata {

void pad_slots(const KvGroup& group, int32_t set, int32_t view, int32_t begin, int32_t padded) {
  int32_t* high_water = group.region(KV_GROUP_REGION_HIGH_WATER) + set * MAX_VIEWS + view;
  const int32_t end = max(max(padded, *high_water), begin + OVERSHOOT);
  fill<int64_t>(group.slots(set, view) + begin, end - begin, -1);
  *high_water = begin;
}

void pad_tokens(int32_t set, int32_t view, int32_t begin, int32_t padded) {
  const int32_t count = padded - begin;
  fill(tensor(set, view, TENSOR_INPUT_IDS) + begin, count, 0);
  fill<int64_t>(tensor<int64_t>(set, view, TENSOR_POSITIONS) + begin, count, 0);
  fill(tensor(set, view, TENSOR_TOKEN_TO_REQUEST) + begin, count, -1);
  fill(tensor(set, view, TENSOR_IS_PADDING) + begin, count, 1);
}

namespace {

/// Of ascending values, how many are below `bound`.
int32_t count_below(const int32_t* values, int32_t count, int32_t bound) {
  int32_t low = 0;
  for (int32_t high = count; low < high;) {
    const int32_t middle = low + (high - low) / 2;
    if (values[middle] < bound) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

void requests_of(const int32_t* query_start_loc, int32_t requests, int32_t begin, int32_t end, int32_t* first, int32_t* last) {
  int32_t r = 0;
  while (r < requests && query_start_loc[r + 1] <= begin) r++;
  *first = r;
  while (r < requests && query_start_loc[r] < end) r++;
  *last = r;
}

int32_t build_part(int32_t set, int32_t index, const Part& part, int32_t whole_requests, int32_t whole_logits) {
  const int32_t view = 1 + index;
  const int32_t from = part.token_begin;
  const int32_t count = part.token_end - from;
  copy(tensor(set, view, TENSOR_INPUT_IDS), tensor(set, 0, TENSOR_INPUT_IDS) + from, count);
  copy(tensor<int64_t>(set, view, TENSOR_POSITIONS), tensor<int64_t>(set, 0, TENSOR_POSITIONS) + from, count);
  copy(tensor(set, view, TENSOR_IS_PADDING), tensor(set, 0, TENSOR_IS_PADDING) + from, count);
  const int32_t* whole_token_to_request = tensor(set, 0, TENSOR_TOKEN_TO_REQUEST) + from;
  int32_t* token_to_request = tensor(set, view, TENSOR_TOKEN_TO_REQUEST);
  for (int32_t i = 0; i < count; i++) {
    token_to_request[i] = whole_token_to_request[i] < 0 ? -1 : whole_token_to_request[i] - part.request_begin;
  }
  pad_tokens(set, view, count, part.padded_tokens);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    copy(group.slots(set, view), group.slots(set, 0) + from, count);
    pad_slots(group, set, view, count, part.padded_tokens);
  }

  const int32_t* whole_starts = tensor(set, 0, TENSOR_QUERY_START_LOC);
  const int32_t* whole_seq_lens = tensor(set, 0, TENSOR_SEQ_LENS);
  int32_t* starts = tensor(set, view, TENSOR_QUERY_START_LOC);
  int32_t* seq_lens = tensor(set, view, TENSOR_SEQ_LENS);
  const int32_t real = part.request_end - part.request_begin;
  for (int32_t i = 0; i <= part.attention_requests; i++) {
    const int32_t row = min(part.request_begin + min(i, real), whole_requests);
    starts[i] = clamp(whole_starts[row] - from, 0, count);
    if (i < part.attention_requests) seq_lens[i] = i < real ? whole_seq_lens[part.request_begin + i] : 0;
  }
  if (real > 0) seq_lens[real - 1] -= max(0, whole_starts[part.request_end] - part.token_end);
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) {
    write_local_seq_lens(tensor(set, view, TENSOR_LOCAL_SEQ_LENS), seq_lens, part.attention_requests);
  }
  fill(seq_lens + real, part.attention_requests - real, limit(LIMIT_PADDED_SEQ_LEN));

  const int32_t* whole_indices = tensor(set, 0, TENSOR_LOGITS_INDICES);
  int32_t* indices = tensor(set, view, TENSOR_LOGITS_INDICES);
  const int32_t first = count_below(whole_indices, whole_logits, part.token_begin);
  const int32_t logits = count_below(whole_indices, whole_logits, part.token_end) - first;
  for (int32_t i = 0; i < logits; i++) indices[i] = whole_indices[first + i] - from;
  return logits;
}

}  // namespace metadata
}  // namespace lockstep
