#pragma once

#include "report.h"

namespace lockstep {

// Of each of `n` requests, whose sampled tokens begin at first[r]: how many of its drafts are what was sampled before them, and what it
// sampled, those drafts and the token that follows them. next[i] is the draft that stands after sampled token i in its request's
// window, -1 after the last. Both results are what device_inputs takes.
LOCKSTEP_BODY void accept_drafts(Grid grid, const int* sampled, int64, const int* next, int64, const int* first, int64,
                                 int* accepted, int64, int* out, int64, int n, int tokens, int max_drafts, Report* report) {
  if (is_failed(report)) return;
  for (int64 request = grid.index; request < n; request += grid.stride) {
    const int64 begin = first[request];
    if (begin < 0 || begin >= tokens) return fail(report, KERNEL_accept_drafts, FAULT_FIRST, request, begin, tokens);
    int64 kept = 0;
    out[request * (1 + static_cast<int64>(max_drafts))] = sampled[begin];
    while (kept < max_drafts && begin + kept + 1 < tokens && next[begin + kept] >= 0 && next[begin + kept] == sampled[begin + kept]) {
      kept++;
      out[request * (1 + static_cast<int64>(max_drafts)) + kept] = sampled[begin + kept];
    }
    accepted[request] = static_cast<int>(kept);
    for (int64 rest = kept + 1; rest <= max_drafts; rest++) out[request * (1 + static_cast<int64>(max_drafts)) + rest] = -1;
  }
}

}  // namespace lockstep
