#pragma once

#include "f32-rows.h"

namespace lockstep {

// Turns the first `heads` heads of each row by the angles of its token's position, in place: of a head's two halves, (a, b)
// becomes (a cos - b sin, b cos + a sin). An item is a piece of a half.
LOCKSTEP_BODY void rotate(Grid grid, float* qkv, int64, const int64* positions, int64, const float* cosines, int64,
                          const float* sines, int64, int n, int heads, int head_dim, int pitch, int max_positions,
                          Report* report) {
  if (is_failed(report)) return;
  const int64 half = head_dim / 2;
  for (int64 item = grid.index; item < piece_count(static_cast<int64>(n) * heads, half); item += grid.stride) {
    const RowPiece piece = piece_of(item, half);
    const int64 token = piece.row / heads;
    const int64 position = positions[token];
    if (position < 0 || position >= max_positions) {
      return fail(report, KERNEL_rotate, FAULT_ROTATION, token, position, max_positions);
    }
    float* const first = qkv + token * pitch + piece.row % heads * head_dim;
    float* const second = first + half;
    const float* const cosine = cosines + position * half;
    const float* const sine = sines + position * half;
    each_in_row(piece.begin, piece.end, [=](auto at) {
      const auto a = at(first);
      const auto b = at(second);
      at.store(first, a * at(cosine) - b * at(sine));
      at.store(second, b * at(cosine) + a * at(sine));
    });
  }
}

}  // namespace lockstep
