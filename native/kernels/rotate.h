#pragma once

#include "report.h"

namespace lockstep {

// Turns the first `heads` heads of each row by the angles of its token's position, in place: of a head's two halves, (a, b)
// becomes (a cos - b sin, b cos + a sin). An item is a pair of a head.
LOCKSTEP_BODY void rotate(Grid grid, float* qkv, int64, const int64* positions, int64, const float* cosines, int64,
                          const float* sines, int64, int n, int heads, int head_dim, int pitch, int max_positions,
                          Report* report) {
  if (is_failed(report)) return;
  const int64 half = head_dim / 2;
  const int64 pairs = heads * half;
  for (int64 item = grid.index; item < n * pairs; item += grid.stride) {
    const int64 token = item / pairs;
    const int64 pair = item % pairs;
    const int64 position = positions[token];
    if (position < 0 || position >= max_positions) {
      return fail(report, KERNEL_rotate, FAULT_ROTATION, token, position, max_positions);
    }
    float* const at = qkv + token * pitch + pair / half * head_dim + pair % half;
    const float cosine = cosines[position * half + pair % half];
    const float sine = sines[position * half + pair % half];
    const float a = at[0];
    const float b = at[half];
    at[0] = a * cosine - b * sine;
    at[half] = b * cosine + a * sine;
  }
}

}  // namespace lockstep
