#pragma once

#include "functions.h"
#include "report.h"

// Kernels that take rows of floats apart or put them together, an element or a piece of a row at a time.

namespace lockstep {

// A piece of a row: elements [begin, end).
struct RowPiece {
  int64 row;
  int64 begin;
  int64 end;
};

// Of rows of `width` elements, the piece that item `item` is.
LOCKSTEP_BODY RowPiece piece_of(int64 item, int64 width) {
  const int64 pieces = pieces_of(width, PIECE);
  const int64 begin = item % pieces * PIECE;
  return {item / pieces, begin, smaller(begin + PIECE, width)};
}

// Items of `rows` rows.
LOCKSTEP_BODY int64 piece_count(int64 rows, int64 width) { return rows * pieces_of(width, PIECE); }

// out[i] = table[index[i]] of `rows` rows, or a failure.
LOCKSTEP_BODY void take(Grid grid, const float* table, const int* index, float* out, int64 rows, int64 n, int64 width,
                        Kernel kernel, Fault fault, Report* report) {
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const int64 row = index[piece.row];
    if (row < 0 || row >= rows) return fail(report, kernel, fault, piece.row, row, rows);
    const float* const from = table + row * width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

// out[i] = table[ids[i]]
LOCKSTEP_BODY void embed(Grid grid, const int* ids, int64, const float* table, int64, float* out, int64, int n, int vocab,
                         int width, Report* report) {
  if (is_failed(report)) return;
  take(grid, table, ids, out, vocab, n, width, KERNEL_embed, FAULT_ID, report);
}

// out[i] = x[indices[i]]
LOCKSTEP_BODY void take_rows(Grid grid, const float* x, int64, const int* indices, int64, float* out, int64, int rows, int n,
                             int width, Report* report) {
  if (is_failed(report)) return;
  take(grid, x, indices, out, rows, n, width, KERNEL_take_rows, FAULT_INDEX, report);
}

// out[i] = shards[0][i], shards[1][i], …: the columns of each rank side by side.
LOCKSTEP_BODY void join_columns(Grid grid, const float* shards, int64, float* out, int64, int n, int ranks, int width,
                                Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(static_cast<int64>(n) * ranks, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const from = shards + (piece.row % ranks * n + piece.row / ranks) * width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

// x += y
LOCKSTEP_BODY void add(Grid grid, float* x, int64, const float* y, int64, int64 count, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(1, count); item += grid.stride) {
    const RowPiece piece = piece_of(item, count);
    map_row(x, piece.begin, piece.end, [=](auto at) { return at(x) + at(y); });
  }
}

// out = silu(gate) * up, where a row of gate_up is `width` gates and `width` ups, and silu(g) = g / (1 + e^-g).
LOCKSTEP_BODY void swiglu(Grid grid, const float* gate_up, int64, float* out, int64, int n, int width, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const gate = gate_up + piece.row * 2 * width;
    const float* const up = gate + width;
    map_row(out + piece.row * width, piece.begin, piece.end,
            [=](auto at) { return at(gate) / (exp_of(-at(gate)) + 1.0f) * at(up); });
  }
}

// out[i] = the sum of weights[i][j] * shares[i][j] over j, in order from +0.
LOCKSTEP_BODY void combine(Grid grid, const float* shares, int64, const float* weights, int64, float* out, int64, int n, int k,
                           int width, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const weight = weights + piece.row * k;
    const float* const share = shares + piece.row * k * width;
    const int64 pitch = width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) {
      decltype(at(share)) sum = {};
      for (int64 j = 0; j < k; j++) sum = sum + at(share + j * pitch) * weight[j];
      return sum;
    });
  }
}

// out = x / sqrt(mean(x^2) + eps) * weight, of each row; out may be x. A row is one item, since its sum is read before it is written.
LOCKSTEP_BODY void rms_norm(Grid grid, const float* x, int64, const float* weight, int64, float* out, int64, int n, int width,
                            int eps_bits, Report* report) {
  if (is_failed(report)) return;
  const float eps = bits_as<float>(eps_bits);
  for (int64 row = grid.index; row < n; row += grid.stride) {
    const float* const from = x + row * width;
    const float squares = sum_row(width, [=](auto at) { return at(from) * at(from); });
    const float root = square_root_of(squares / static_cast<float>(width) + eps);
    map_row(out + row * width, 0, width, [=](auto at) { return at(from) / root * at(weight); });
  }
}

}  // namespace lockstep
