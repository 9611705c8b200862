#pragma once

#include "order.h"
#include "report.h"

namespace lockstep {

// chosen[i] = the k experts with the greatest logits of token i, the greatest first, of equal ones the lower; weights[i] = softmax
// over them. A token is an item.
LOCKSTEP_BODY void route(Grid grid, const float* logits, int64, int* chosen, int64, float* weights, int64, int n, int experts,
                         int k, Report* report) {
  if (is_failed(report)) return;
  for (int64 token = grid.index; token < n; token += grid.stride) {
    const float* const logit = logits + token * experts;
    int* const choice = chosen + token * k;
    float* const weight = weights + token * k;
    float sum = 0;
    for (int64 j = 0; j < k; j++) {
      int64 best = -1;
      for (int64 e = 0; e < experts; e++) {
        const int rank = rank_of(logit[e]);
        // Only what comes after the choice before.
        if (j > 0) {
          const int before = rank_of(logit[choice[j - 1]]);
          if (rank > before || (rank == before && e <= choice[j - 1])) continue;
        }
        if (best < 0 || rank > rank_of(logit[best])) best = e;
      }
      choice[j] = static_cast<int>(best);
      weight[j] = exp_of(logit[best] - logit[choice[0]]);
      sum = sum + weight[j];
    }
    for (int64 j = 0; j < k; j++) weight[j] = weight[j] / sum;
  }
}

}  // namespace lockstep
