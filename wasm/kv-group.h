// A KV cache group: layers that share block tables. Every group has lists of blocks, a table and slots of its own over the same
// requests and tokens. Source: vLLM MultiGroupBlockTable.
#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

struct KvGroup {
  const int32_t* words;

  int32_t size(int32_t name) const { return words[name]; }
  int32_t index() const { return size(KV_GROUP_SIZE_INDEX); }
  int32_t block_size() const { return size(KV_GROUP_SIZE_BLOCK_SIZE); }
  /// Tokens one block of a request covers: with context parallelism each rank stores its share of them.
  int32_t block_span() const { return block_size() * limit(LIMIT_CONTEXT_PARALLEL_SIZE); }

  template <typename T = int32_t>
  T* region(int32_t name) const {
    return at<T>(static_cast<uint32_t>(words[KV_GROUP_OFFSETS + name]));
  }
  int32_t* state() const { return region(KV_GROUP_REGION_GROUP_STATE); }
  /// Blocks that each request holds.
  int32_t* block_counts() const { return region(KV_GROUP_REGION_BLOCK_COUNTS); }
  /// A request's blocks; BLOCK_LIST_TAIL null blocks follow the last.
  int32_t* block_list(int32_t row) const {
    return region(KV_GROUP_REGION_BLOCK_LISTS) + static_cast<int64_t>(row) * size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE);
  }
  int32_t* block_table(int32_t set) const {
    return region(set ? KV_GROUP_REGION_BLOCK_TABLE1 : KV_GROUP_REGION_BLOCK_TABLE0);
  }

  /// A tensor of view `view` (0 the whole batch, 1 + p its part p) in staging set `set`.
  template <typename T = int32_t>
  T* tensor(int32_t set, int32_t view, int32_t name) const {
    return at<T>(static_cast<uint32_t>(words[KV_GROUP_TENSOR_OFFSETS + (set * MAX_VIEWS + view) * KV_GROUP_TENSOR_WORDS + name]));
  }
  int64_t* slots(int32_t set, int32_t view) const { return tensor<int64_t>(set, view, KV_GROUP_TENSOR_SLOT_MAPPING); }
};

/// Leading blocks of a request with `computed` tokens that its next token, and any later one, looks past: those of a sliding
/// window's group need not be there. Source: vLLM SlidingWindowManager.
inline int32_t blocks_past_window(const KvGroup& group, int32_t computed) {
  const int32_t window = group.size(KV_GROUP_SIZE_WINDOW);
  return window == 0 || computed < window ? 0 : (computed - window + 1) / group.block_span();
}

inline KvGroup kv_group(int32_t index) { return {config() + CONFIG_KV_GROUPS + index * KV_GROUP_WORDS}; }
inline int32_t kv_groups() { return limit(LIMIT_KV_GROUPS); }

}  // namespace metadata
}  // namespace lockstep
