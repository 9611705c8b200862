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
    float first = 0;
    int64 before = -1;
    int before_rank = 0;
    for (int64 j = 0; j < k; j++) {
      int64 best = -1;
      int best_rank = 0;
      float best_logit = 0;
      for (int64 e = 0; e < experts; e++) {
        const float value = logit[e];
        const int rank = rank_of(value);
        // Only what comes after the choice before.
        if (j > 0 && (rank > before_rank || (rank == before_rank && e <= before))) continue;
        if (best < 0 || rank > best_rank) {
          best = e;
          best_rank = rank;
          best_logit = value;
        }
      }
      // None is left of logits that something else writes meanwhile, an output that lies over them for one: any expert is as right.
      if (best < 0) best = 0;
      if (j == 0) first = best_logit;
      before = best;
      before_rank = best_rank;
      choice[j] = static_cast<int>(best);
      weight[j] = exp_of(best_logit - first);
      sum = sum + weight[j];
    }
    for (int64 j = 0; j < k; j++) weight[j] = weight[j] / sum;
  }
}

}  // namespace lockstep
