#pragma once

#include "report.h"

namespace lockstep {

// Rows of a paged cache, read one after another into `out`. A lane takes every `lanes`-th block of its row.
struct KvRows {
  const int* cache;
  int64 num_blocks;
  const int* block_table;
  const int* seq_lens;
  int* out;
  int64 capacity;
  int64 pitch;
  int64 block_size;
  Kernel kernel;
  Report* report;
};

// The length of a row, or -1 after a report.
LOCKSTEP_BODY int64 kv_row_length(const KvRows& a, int64 row) {
  const int64 length = a.seq_lens[row];
  if (length >= 0 && length <= a.pitch * a.block_size) return length;
  fail(a.report, a.kernel, FAULT_LENGTH, row, length, a.pitch * a.block_size);
  return -1;
}

// Reads one lane of a row to out[at] and what follows; false after a report.
LOCKSTEP_BODY bool kv_read_row(const KvRows& a, int64 row, int64 at, int64 lane, int64 lanes) {
  const int64 length = kv_row_length(a, row);
  if (length < 0) return false;
  if (length > a.capacity - at) {
    fail(a.report, a.kernel, FAULT_OUT_FULL, a.capacity, row, at + length);
    return false;
  }
  for (int64 column = lane; column * a.block_size < length; column += lanes) {
    const int64 block = a.block_table[row * a.pitch + column];
    if (block < 0 || block >= a.num_blocks) {
      fail(a.report, a.kernel, FAULT_BLOCK, place_of(row, column), block, a.num_blocks);
      return false;
    }
    const int64 begin = column * a.block_size;
    const int64 count = smaller(a.block_size, length - begin);
    for (int64 i = 0; i < count; i++) a.out[at + begin + i] = a.cache[block * a.block_size + i];
  }
  return true;
}

// The tokens of rows row_begin to row_end - 1. Every thread adds up the lengths of the rows before its own.
LOCKSTEP_BODY void kv_read(Grid grid, const int* cache, int64 cache_bytes, const int* block_table, int64, const int* seq_lens,
                           int64, int* out, int64 out_bytes, int row_begin, int row_end, int pitch, int block_size,
                           Report* report) {
  if (is_failed(report)) return;
  const KvRows rows = {cache, cache_bytes / 4 / block_size, block_table, seq_lens, out, out_bytes / 4, pitch, block_size,
                       KERNEL_kv_read, report};
  int64 at = 0;
  int64 next = row_begin;
  for (int64 item = grid.index; item < (static_cast<int64>(row_end) - row_begin) * grid.lanes; item += grid.stride) {
    const int64 row = row_begin + item / grid.lanes;
    for (; next < row; next++) {
      const int64 length = kv_row_length(rows, next);
      if (length < 0) return;
      at += length;
    }
    if (!kv_read_row(rows, row, at, item % grid.lanes, grid.lanes)) return;
  }
}

// The row that the list names at `index`, or -1 after a report.
LOCKSTEP_BODY int64 kv_listed_row(const KvRows& a, const int* list, int64 index, int64 limit) {
  const int64 row = list[index];
  if (row >= 0 && row < limit) return row;
  fail(a.report, a.kernel, FAULT_LISTED_ROW, index, row, limit);
  return -1;
}

// The tokens of the rows that are listed, in their order.
LOCKSTEP_BODY void kv_read_rows(Grid grid, const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, const int* list, int64,
                                int count, int pitch, int block_size, Report* report) {
  if (is_failed(report)) return;
  const KvRows rows = {cache, cache_bytes / 4 / block_size, block_table, seq_lens, out, out_bytes / 4, pitch, block_size,
                       KERNEL_kv_read_rows, report};
  const int64 with_length = lens_bytes / 4;
  const int64 limit = pitch == 0 ? with_length : smaller(table_bytes / 4 / pitch, with_length);
  int64 at = 0;
  int64 next = 0;
  for (int64 item = grid.index; item < count * grid.lanes; item += grid.stride) {
    const int64 index = item / grid.lanes;
    for (; next < index; next++) {
      const int64 before = kv_listed_row(rows, list, next, limit);
      const int64 length = before < 0 ? -1 : kv_row_length(rows, before);
      if (length < 0) return;
      at += length;
    }
    const int64 row = kv_listed_row(rows, list, index, limit);
    if (row < 0 || !kv_read_row(rows, row, at, item % grid.lanes, grid.lanes)) return;
  }
}

}  // namespace lockstep
