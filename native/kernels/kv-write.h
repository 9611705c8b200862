#pragma once

#include "report.h"

namespace lockstep {

// cache[slots[i]] = ids[i] for each i below n, where slots[i] is not -1 (padding).
LOCKSTEP_BODY void kv_write(Grid grid, const int* ids, int64, const int64* slots, int64, int* cache, int64 cache_bytes, int n,
                            Report* report) {
  if (is_failed(report)) return;
  const int64 capacity = cache_bytes / 4;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const int64 slot = slots[i];
    if (slot == -1) continue;
    if (slot < 0 || slot >= capacity) return fail(report, KERNEL_kv_write, FAULT_SLOT, i, slot, capacity);
    cache[slot] = ids[i];
  }
}

}  // namespace lockstep
