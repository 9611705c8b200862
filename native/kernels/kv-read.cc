#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {
    {"cache", LOCKSTEP_IN, 4},   {"blockTable", LOCKSTEP_IN, 4}, {"seqLens", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
    {"rowBegin", LOCKSTEP_I32, 0}, {"rowEnd", LOCKSTEP_I32, 0},    {"pitch", LOCKSTEP_I32, 0},  {"blockSize", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t row_begin = a[4].scalar;
  const int64_t row_end = a[5].scalar;
  const int64_t pitch = a[6].scalar;
  const int64_t block_size = a[7].scalar;
  if (row_begin < 0 || row_end < row_begin) {
    return report(error, "rows %" PRId64 " to %" PRId64 " are no range", row_begin, row_end);
  }
  if (pitch < 0) return report(error, "pitch is %" PRId64 "; give 0 or more", pitch);
  if (block_size < 1) return report(error, "blockSize is %" PRId64 "; give 1 or more", block_size);
  required[1] = bytes_of(row_end * pitch, 4);
  required[2] = bytes_of(row_end, 4);
  return 0;
}

int32_t run(const lockstep_value* a, lockstep_error* error) {
  const auto* cache = static_cast<const int32_t*>(a[0].address);
  const auto* block_table = static_cast<const int32_t*>(a[1].address);
  const auto* seq_lens = static_cast<const int32_t*>(a[2].address);
  auto* out = static_cast<int32_t*>(a[3].address);
  const int64_t pitch = a[6].scalar;
  const int64_t block_size = a[7].scalar;
  const int64_t num_blocks = a[0].bytes / 4 / block_size;
  const int64_t capacity = a[3].bytes / 4;
  int64_t k = 0;
  for (int64_t row = a[4].scalar; row < a[5].scalar; row++) {
    const int64_t seq_len = seq_lens[row];
    if (seq_len < 0 || seq_len > pitch * block_size) {
      return report(error, "seqLens[%" PRId64 "] is %" PRId64 ", a row of the block table holds %" PRId64, row, seq_len,
                    pitch * block_size);
    }
    if (seq_len > capacity - k) {
      return report(error, "out holds %" PRId64 " values, row %" PRId64 " needs %" PRId64, capacity, row, k + seq_len);
    }
    for (int64_t pos = 0; pos < seq_len; pos += block_size) {
      const int64_t block = block_table[row * pitch + pos / block_size];
      if (block < 0 || block >= num_blocks) {
        return report(error, "blockTable[%" PRId64 "][%" PRId64 "] is %" PRId64 ", the cache has %" PRId64 " blocks", row,
                      pos / block_size, block, num_blocks);
      }
      const int64_t count = std::min(block_size, seq_len - pos);
      std::memcpy(out + k, cache + block * block_size, static_cast<size_t>(count) * 4);
      k += count;
    }
  }
  return 0;
}

}  // namespace

// kv_read(cache i32[numBlocks, blockSize], blockTable i32[rows, pitch], seqLens i32[rows], out i32[capacity], rowBegin,
// rowEnd, pitch, blockSize): the tokens of each row, one row after another.
lockstep_kernel kv_read_kernel() { return {"kv_read", 8, arguments, check, run}; }

}  // namespace lockstep
