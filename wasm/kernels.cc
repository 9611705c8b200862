// The kernels of a step one by one, and what limits them: for measuring.
#include "batch-order.h"
#include "block-table.h"
#include "decode-lanes.h"
#include "lane-tensors.h"
#include "paged-kv.h"
#include "slot-mapping.h"
#include "steady.h"
#include "vectors.h"

namespace lockstep {
namespace metadata {

extern "C" {

/// seqLens, positions and slots of the scheduled decodes, all of at most `window` tokens, into staging set `set`.
void kernel_decodes(int32_t set, int32_t window) {
  int32_t* seq_lens = tensor(set, 0, TENSOR_SEQ_LENS);
  int64_t* positions = tensor<int64_t>(set, 0, TENSOR_POSITIONS);
  int64_t* slots = kv_group(0).slots(set, 0);
  if (window == 1) return write_decodes(seq_lens, positions, slots, state()[STATE_DECODES]);
  write_windows(seq_lens, positions, slots, state()[STATE_DECODES], window);
}

/// Slots of the scheduled batch, packed in the order of the last vote: decodes of one token by their lanes, all others
/// through their blocks.
void kernel_slots(int32_t set) {
  int64_t* slots = kv_group(0).slots(set, 0);
  const int32_t* order = region(REGION_ORDER);
  const int32_t requests = scheduled_requests();
  const KvGroup group = kv_group(0);
  int32_t request = 0;
  if (uniform_decode_len() == 1 && lanes_serve(group, 1)) {
    request = state()[STATE_DECODES];
    write_lane_slots(group, slots, request, 1);
    slots += request;
  }
  for (; request < requests; request++) {
    const int32_t* row = row_at(order[request]);
    write_slots(slots, group.block_list(order[request]), group.block_size(), computed_tokens(order[request]), row[ROW_QUERY_LEN]);
    slots += row[ROW_QUERY_LEN];
  }
}

/// The block table of the scheduled batch, and the edits of the device's.
int32_t kernel_block_table(int32_t set) {
  const KvGroup group = kv_group(0);
  sync_block_table(group, set, scheduled_requests());
  return group.state()[KV_GROUP_STATE_TABLE_EDITS];
}

/// The CSR form of the scheduled batch's block table.
void kernel_paged_kv(int32_t set) { write_paged_kv(kv_group(0), set, 0, 0, scheduled_requests(), scheduled_requests()); }

/// 16-byte stores over `bytes` bytes from `offset`: no computed values are written faster.
void limit_fill(int32_t offset, int32_t bytes) {
  int64_t* to = at<int64_t>(static_cast<uint32_t>(offset));
  const i64x2 value = {bytes, bytes};
  for (int32_t i = 0; i < bytes / 8; i += 8) {
    store(to + i, value);
    store(to + i + 2, value);
    store(to + i + 4, value);
    store(to + i + 6, value);
  }
}

/// The machine's own copy of `bytes` bytes.
void limit_copy(int32_t to, int32_t from, int32_t bytes) {
  __builtin_memcpy(at<char>(static_cast<uint32_t>(to)), at<char>(static_cast<uint32_t>(from)), static_cast<size_t>(static_cast<uint32_t>(bytes)));
}

/// The machine's own fill with zero of `bytes` bytes.
void limit_clear(int32_t to, int32_t bytes) { __builtin_memset(at<char>(static_cast<uint32_t>(to)), 0, static_cast<size_t>(static_cast<uint32_t>(bytes))); }

}  // extern "C"
}  // namespace metadata
}  // namespace lockstep
