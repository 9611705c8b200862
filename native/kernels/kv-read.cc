#include <algorithm>
#include <cinttypes>
#include <cstring>

#include "builtin.h"

namespace lockstep {

namespace {

constexpr lockstep_argument range_arguments[] = {
    {"cache", LOCKSTEP_IN, 4},   {"blockTable", LOCKSTEP_IN, 4}, {"seqLens", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
    {"rowBegin", LOCKSTEP_I32, 0}, {"rowEnd", LOCKSTEP_I32, 0},    {"pitch", LOCKSTEP_I32, 0},  {"blockSize", LOCKSTEP_I32, 0}};

constexpr lockstep_argument list_arguments[] = {
    {"cache", LOCKSTEP_IN, 4}, {"blockTable", LOCKSTEP_IN, 4}, {"seqLens", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
    {"rows", LOCKSTEP_IN, 4},  {"count", LOCKSTEP_I32, 0},     {"pitch", LOCKSTEP_I32, 0},  {"blockSize", LOCKSTEP_I32, 0}};

int32_t check_sizes(const lockstep_value* a, lockstep_error* error) {
  if (a[6].scalar < 0) return report(error, "pitch is %" PRId64 "; give 0 or more", a[6].scalar);
  if (a[7].scalar < 1) return report(error, "blockSize is %" PRId64 "; give 1 or more", a[7].scalar);
  return 0;
}

int32_t check_range(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const int64_t row_begin = a[4].scalar;
  const int64_t row_end = a[5].scalar;
  if (row_begin < 0 || row_end < row_begin) {
    return report(error, "rows %" PRId64 " to %" PRId64 " are not a range", row_begin, row_end);
  }
  required[1] = bytes_of(row_end * a[6].scalar, 4);
  required[2] = bytes_of(row_end, 4);
  return check_sizes(a, error);
}

int32_t check_list(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (a[5].scalar < 0) return report(error, "count is %" PRId64 "; give 0 or more", a[5].scalar);
  required[4] = bytes_of(a[5].scalar, 4);
  return check_sizes(a, error);
}

// Reads rows one after the other, by the arguments that both kernels have.
struct Reader {
  explicit Reader(const lockstep_value* a)
      : cache(static_cast<const int32_t*>(a[0].address)),
        block_table(static_cast<const int32_t*>(a[1].address)),
        seq_lens(static_cast<const int32_t*>(a[2].address)),
        out(static_cast<int32_t*>(a[3].address)),
        pitch(a[6].scalar),
        block_size(a[7].scalar),
        num_blocks(a[0].bytes / 4 / block_size),
        capacity(a[3].bytes / 4) {}

  int32_t read(int64_t row, lockstep_error* error) {
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
    return 0;
  }

  const int32_t* cache;
  const int32_t* block_table;
  const int32_t* seq_lens;
  int32_t* out;
  int64_t pitch;
  int64_t block_size;
  int64_t num_blocks;
  int64_t capacity;
  int64_t k = 0;
};

int32_t run_range(const lockstep_value* a, lockstep_error* error) {
  Reader reader(a);
  for (int64_t row = a[4].scalar; row < a[5].scalar; row++) {
    if (reader.read(row, error) != 0) return 1;
  }
  return 0;
}

int32_t run_list(const lockstep_value* a, lockstep_error* error) {
  Reader reader(a);
  const auto* rows = static_cast<const int32_t*>(a[4].address);
  const int64_t in_table = reader.pitch == 0 ? INT64_MAX : a[1].bytes / 4 / reader.pitch;
  const int64_t limit = std::min(in_table, a[2].bytes / 4);
  for (int64_t i = 0; i < a[5].scalar; i++) {
    if (rows[i] < 0 || rows[i] >= limit) {
      return report(error, "rows[%" PRId64 "] is %" PRId32 ", there are %" PRId64, i, rows[i], limit);
    }
    if (reader.read(rows[i], error) != 0) return 1;
  }
  return 0;
}

}  // namespace

// kv_read(cache i32[numBlocks, blockSize], blockTable i32[rows, pitch], seqLens i32[rows], out i32[capacity], rowBegin,
// rowEnd, pitch, blockSize): the tokens of each row, one row after another.
lockstep_kernel kv_read_kernel() { return {"kv_read", 8, range_arguments, check_range, run_range}; }

// kv_read_rows(cache, blockTable, seqLens, out, rows i32[count], count, pitch, blockSize): the same of the rows that are listed,
// in their order.
lockstep_kernel kv_read_rows_kernel() { return {"kv_read_rows", 8, list_arguments, check_list, run_list}; }

}  // namespace lockstep
