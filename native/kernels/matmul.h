#pragma once

#include "lanes.h"
#include "report.h"

namespace lockstep {

namespace {

// Rows of x, and of w, whose products one loop adds up: as many as the registers hold.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int TILE_ROWS = 1;
constexpr int TILE_OUTPUTS = 1;
#else
constexpr int TILE_ROWS = LOCKSTEP_VECTOR_BYTES >= 64 ? 4 : LOCKSTEP_VECTOR_BYTES >= 32 ? 2 : 1;
constexpr int TILE_OUTPUTS = LOCKSTEP_VECTOR_BYTES >= 64 ? 4 : 2;
#endif

// Rows of x that are one item with the same rows of w, which stay in a processor's cache.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int64 ITEM_ROWS = 1;
#else
constexpr int64 ITEM_ROWS = 64;
#endif

// Rows of a matrix: `pitch` elements lie between the beginnings of two.
struct Matrix {
  const float* at;
  int64 pitch;
};

}  // namespace

// out[t * out_pitch + o] = the dot product of row t of x and row o of w, of k elements, in the order of lanes.h.
template <int rows, int outputs>
LOCKSTEP_BODY void dot_tile(Matrix x, Matrix w, int64 k, float* out, int64 out_pitch) {
  Vector sums[rows][outputs][PARTS] = {};
  int64 i = 0;
  for (; i + SUM_LANES <= k; i += SUM_LANES) {
    Vector a[rows][PARTS];
    LOCKSTEP_UNROLL
    for (int t = 0; t < rows; t++) {
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) a[t][p] = load_vector(x.at + t * x.pitch + i + p * VECTOR_FLOATS);
    }
    LOCKSTEP_UNROLL
    for (int o = 0; o < outputs; o++) {
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) {
        const Vector b = load_vector(w.at + o * w.pitch + i + p * VECTOR_FLOATS);
        LOCKSTEP_UNROLL
        for (int t = 0; t < rows; t++) sums[t][o][p] = sums[t][o][p] + a[t][p] * b;
      }
    }
  }
  const int64 rest = k - i;
  LOCKSTEP_UNROLL
  for (int t = 0; t < rows; t++) {
    LOCKSTEP_UNROLL
    for (int o = 0; o < outputs; o++) {
      Lanes lanes;
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) lanes.part[p] = sums[t][o][p];
      if (rest > 0) add_rest(lanes, x.at + t * x.pitch + i, w.at + o * w.pitch + i, rest);
      out[t * out_pitch + o] = total_of(lanes);
    }
  }
}

// The same of any number of rows of x.
template <int outputs>
LOCKSTEP_BODY void dot_rows(Matrix x, int64 rows, Matrix w, int64 k, float* out, int64 out_pitch) {
  int64 t = 0;
  for (; t + TILE_ROWS <= rows; t += TILE_ROWS) {
    dot_tile<TILE_ROWS, outputs>({x.at + t * x.pitch, x.pitch}, w, k, out + t * out_pitch, out_pitch);
  }
  for (; t < rows; t++) dot_tile<1, outputs>({x.at + t * x.pitch, x.pitch}, w, k, out + t * out_pitch, out_pitch);
}

// The same of at most TILE_OUTPUTS rows of w.
LOCKSTEP_BODY void dot_item(Matrix x, int64 rows, Matrix w, int64 outputs, int64 k, float* out, int64 out_pitch) {
  if (outputs == TILE_OUTPUTS) return dot_rows<TILE_OUTPUTS>(x, rows, w, k, out, out_pitch);
  for (int64 o = 0; o < outputs; o++) dot_rows<1>(x, rows, {w.at + o * w.pitch, w.pitch}, k, out + o, out_pitch);
}

// out[t][o] = the dot product of x[t] and w[o].
LOCKSTEP_BODY void matmul(Grid grid, const float* x, int64, const float* w, int64, float* out, int64, int n, int k, int m,
                          Report* report) {
  if (is_failed(report)) return;
  const int64 tiles = pieces_of(m, TILE_OUTPUTS);
  for (int64 item = grid.index; item < tiles * pieces_of(n, ITEM_ROWS); item += grid.stride) {
    const int64 t = item / tiles * ITEM_ROWS;
    const int64 o = item % tiles * TILE_OUTPUTS;
    dot_item({x + t * k, k}, smaller(ITEM_ROWS, n - t), {w + o * k, k}, smaller(TILE_OUTPUTS, m - o), k, out + t * m + o, m);
  }
}

// out[i][j][o] = the dot product of row o of the expert chosen[i][j] and the row of x that token i has, or with per_choice the
// choice (i, j); 0 for an expert that is not among the `count` from `first` on, whose weights w holds.
LOCKSTEP_BODY void expert_matmul(Grid grid, const float* x, int64, const int* chosen, int64, const float* w, int64, float* out,
                                 int64, int n, int k, int k_dim, int m, int first, int count, int per_choice, Report* report) {
  if (is_failed(report)) return;
  const int64 tiles = pieces_of(m, TILE_OUTPUTS);
  const int64 pitch = k_dim;
  for (int64 item = grid.index; item < tiles * n * k; item += grid.stride) {
    const int64 choice = item / tiles;
    const int64 o = item % tiles * TILE_OUTPUTS;
    const int64 outputs = smaller(TILE_OUTPUTS, m - o);
    const int64 expert = chosen[choice];
    float* const to = out + choice * m + o;
    if (expert < 0) return fail(report, KERNEL_expert_matmul, FAULT_CHOSEN, place_of(choice / k, choice % k), expert, 0);
    if (expert < first || expert >= static_cast<int64>(first) + count) {
      for (int64 i = 0; i < outputs; i++) to[i] = 0;
      continue;
    }
    const float* const row = x + (per_choice != 0 ? choice : choice / k) * pitch;
    dot_item({row, pitch}, 1, {w + ((expert - first) * m + o) * pitch, pitch}, outputs, pitch, to, m);
  }
}

}  // namespace lockstep
