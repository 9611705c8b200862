#include "whole-batch.h"

#include "batch-order.h"
#include "decode-lanes.h"
#include "lane-tensors.h"
#include "parts.h"
#include "slot-mapping.h"
#include "steady.h"

namespace lockstep {
namespace metadata {
namespace {

/// Tensors of one view, and how far they are written.
struct Writer {
  int32_t* input_ids;
  int64_t* positions;
  int64_t* slots;
  int32_t* query_start_loc;
  int32_t* seq_lens;
  int32_t* token_to_request;
  int32_t* is_padding;
  int32_t* logits_indices;
  int32_t token;
  int32_t logits;
  KvGroup group = kv_group(0);

  explicit Writer(int32_t set)
      : input_ids(tensor(set, 0, TENSOR_INPUT_IDS)),
        positions(tensor<int64_t>(set, 0, TENSOR_POSITIONS)),
        slots(kv_group(0).slots(set, 0)),
        query_start_loc(tensor(set, 0, TENSOR_QUERY_START_LOC)),
        seq_lens(tensor(set, 0, TENSOR_SEQ_LENS)),
        token_to_request(tensor(set, 0, TENSOR_TOKEN_TO_REQUEST)),
        is_padding(tensor(set, 0, TENSOR_IS_PADDING)),
        logits_indices(tensor(set, 0, TENSOR_LOGITS_INDICES)),
        token(0),
        logits(0) {}

  void ids(int32_t pool_offset, int32_t count) {
    if (pool_offset >= 0) {
      copy(input_ids + token, region(REGION_TOKEN_POOL) + pool_offset, count);
    } else {
      fill(input_ids + token, count, 0);
    }
  }

  /// What of a decode does not depend on where it is in its request: `count` tokens in a window of `window`.
  void decode(int32_t row, int32_t request, int32_t count, int32_t window) {
    query_start_loc[row] = token;
    ids(token_offset(request), count);
    fill(input_ids + token + count, window - count, 0);
    fill(token_to_request + token, count, row);
    fill(token_to_request + token + count, window - count, -1);
    fill(is_padding + token, count, 0);
    fill(is_padding + token + count, window - count, 1);
    for (int32_t j = 0; j < count; j++) logits_indices[logits++] = token + j;
    token += window;
  }

  /// The same of `decodes` whole windows, all at once, without ids.
  void decodes(int32_t decodes, int32_t window) {
    const int32_t tokens = decodes * window;
    count_up(query_start_loc, decodes, 0, window);
    fill(input_ids, tokens, 0);
    fill(is_padding, tokens, 0);
    count_up(logits_indices, tokens, 0, 1);
    if (window == 1) {
      count_up(token_to_request, tokens, 0, 1);
    } else {
      for (int32_t i = 0; i < decodes; i++) fill(token_to_request + i * window, window, i);
    }
    token = logits = tokens;
  }

  /// Ids of the decodes that have some, in their windows.
  void decode_ids(int32_t window) {
    const int32_t* rows = region(REGION_ID_DECODES);
    for (int32_t i = 0; i < state()[STATE_ID_DECODES]; i++) {
      const int32_t lane = lane_of(rows[i]);
      copy(input_ids + lane * window, region(REGION_TOKEN_POOL) + token_offset(rows[i]), region(REGION_LANE_LENS)[lane]);
    }
  }

  void prefill(int32_t row, int32_t request) {
    const int32_t* fields = row_at(request);
    const int32_t count = fields[ROW_QUERY_LEN];
    const int32_t start = fields[ROW_NUM_COMPUTED_TOKENS];
    query_start_loc[row] = token;
    seq_lens[row] = start + count;
    ids(fields[ROW_TOKEN_OFFSET], count);
    write_positions(positions + token, start, count);
    write_slots(slots + token, group.block_list(request), group.block_size(), start, count);
    fill(token_to_request + token, count, row);
    fill(is_padding + token, count, 0);
    if (fields[ROW_LAST_CHUNK]) logits_indices[logits++] = token + count - 1;
    token += count;
  }
};

/// Decodes that lanes do not serve: each runs through its blocks.
void run_decodes(Writer& to, const int32_t* order, int32_t decodes, int32_t window) {
  const int32_t* lens = region(REGION_LANE_LENS);
  for (int32_t i = 0; i < decodes; i++) {
    const int32_t count = lens[i];
    const int32_t start = lane_position(i);
    const int32_t token = to.token;
    const int32_t width = max(window, count);
    to.seq_lens[i] = start + count;
    write_positions(to.positions + token, start, count);
    write_slots(to.slots + token, to.group.block_list(order[i]), to.group.block_size(), start, count);
    fill<int64_t>(to.positions + token + count, width - count, 0);
    fill<int64_t>(to.slots + token + count, width - count, -1);
    to.decode(i, order[i], count, width);
  }
}

/// Whether set `set` holds all of such a step but what moves with the requests: seqLens, positions and slots.
bool holds(int32_t set, int32_t window, const WholeShape& shape) {
  int32_t* stamp = region(REGION_STAMPS) + set * STAMP_WORDS;
  const bool same = stamp[STAMP_QUERY_LEN] == window && stamp[STAMP_REQUESTS] == shape.rows &&
                    stamp[STAMP_ATTENTION_REQUESTS] == shape.attention_requests &&
                    stamp[STAMP_PADDED_TOKENS] == shape.padded_tokens;
  stamp[STAMP_QUERY_LEN] = window;
  stamp[STAMP_REQUESTS] = shape.rows;
  stamp[STAMP_ATTENTION_REQUESTS] = shape.attention_requests;
  stamp[STAMP_PADDED_TOKENS] = shape.padded_tokens;
  return same;
}

/// All tensors of the whole batch, and in the same loops, since most planners have no other group, the slots of the first. `uniform`:
/// tokens of every decode where they are equal, else 0. `window`: tokens of each decode's window, or `uniform` where requests are packed.
int32_t build_first_group(int32_t set, const WholeShape& shape, int32_t uniform, int32_t window) {
  const int32_t* order = region(REGION_ORDER);
  const int32_t decodes = state()[STATE_DECODES];
  Writer to(set);
  bool steady = false;
  if (decodes > 0) {
    const bool served = lanes_serve(to.group, window);
    if (!served) {
      run_decodes(to, order, decodes, shape.window);
    } else {
      if (window == 1) {
        write_decodes(to.seq_lens, to.positions, to.slots, decodes);
      } else {
        write_windows(to.seq_lens, to.positions, to.slots, decodes, window);
      }
      const bool whole = uniform == window;
      steady = whole && state()[STATE_ID_DECODES] == 0 && state()[STATE_PREFILLS] == 0;
      if (steady && holds(set, window, shape)) return decodes * window;
      if (whole) {
        to.decodes(decodes, window);
        to.decode_ids(window);
      } else {
        const int32_t* lens = region(REGION_LANE_LENS);
        for (int32_t i = 0; i < decodes; i++) to.decode(i, order[i], lens[i], window);
      }
    }
  }
  if (!steady) region(REGION_STAMPS)[set * STAMP_WORDS + STAMP_QUERY_LEN] = 0;
  for (int32_t row = decodes; row < shape.rows; row++) {
    if (order[row] >= 0) {
      to.prefill(row, order[row]);
    } else {
      to.query_start_loc[row] = to.token;
      to.seq_lens[row] = 0;
    }
  }
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) {
    fill(to.seq_lens + shape.rows, shape.attention_requests - shape.rows, 0);
    write_local_seq_lens(tensor(set, 0, TENSOR_LOCAL_SEQ_LENS), to.seq_lens, shape.attention_requests);
  }
  for (int32_t row = decodes; row < shape.rows && order[row] < 0; row++) to.seq_lens[row] = limit(LIMIT_PADDED_SEQ_LEN);
  fill(to.query_start_loc + shape.rows, shape.attention_requests + 1 - shape.rows, to.token);
  fill(to.seq_lens + shape.rows, shape.attention_requests - shape.rows, limit(LIMIT_PADDED_SEQ_LEN));
  pad_tokens(set, 0, to.token, shape.padded_tokens);
  pad_slots(to.group, set, 0, to.token, shape.padded_tokens);
  return to.logits;
}

/// The slots of a group other than the first: of the same tokens, in its own blocks. `window` as in `build_first_group`.
void write_group_slots(const KvGroup& group, int32_t set, const WholeShape& shape, int32_t window) {
  const int32_t* order = region(REGION_ORDER);
  const int32_t* token = tensor(set, 0, TENSOR_QUERY_START_LOC);
  const int32_t* lens = region(REGION_LANE_LENS);
  const int32_t decodes = state()[STATE_DECODES];
  const int32_t block_size = group.block_size();
  int64_t* slots = group.slots(set, 0);
  int32_t row = 0;
  if (lanes_serve(group, window)) {
    write_lane_slots(group, slots, decodes, window);
    row = decodes;
  }
  for (; row < decodes; row++) {
    int64_t* out = slots + token[row];
    write_slots(out, group.block_list(order[row]), block_size, lane_position(row), lens[row]);
    fill<int64_t>(out + lens[row], token[row + 1] - token[row] - lens[row], -1);
  }
  for (; row < shape.rows; row++) {
    if (order[row] < 0) continue;
    const int32_t* fields = row_at(order[row]);
    write_slots(slots + token[row], group.block_list(order[row]), block_size, fields[ROW_NUM_COMPUTED_TOKENS], fields[ROW_QUERY_LEN]);
  }
  pad_slots(group, set, 0, token[shape.rows], shape.padded_tokens);
}

}  // namespace

int32_t build_whole(int32_t set, const WholeShape& shape) {
  const int32_t uniform = uniform_decode_len();
  const int32_t window = shape.window > 0 ? shape.window : uniform;
  const int32_t logits = build_first_group(set, shape, uniform, window);
  for (int32_t g = 1; g < kv_groups(); g++) write_group_slots(kv_group(g), set, shape, window);
  return logits;
}

}  // namespace metadata
}  // namespace lockstep
