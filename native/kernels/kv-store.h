#pragma once

#include "f32-rows.h"

namespace lockstep {

// Stores each token's keys, and its values that lie right after them, in its slot: cache[slots[i]] = [keys, values]. Slot -1 is
// padding. In a row of qkv the keys begin at column key_offset.
LOCKSTEP_BODY void kv_store(Grid grid, const float* qkv, int64, const int64* slots, int64, float* cache, int64 cache_bytes, int n,
                            int pitch, int key_offset, int kv_heads, int head_dim, Report* report) {
  if (is_failed(report)) return;
  const int64 width = 2 * static_cast<int64>(kv_heads) * head_dim;
  const int64 capacity = cache_bytes / 4 / width;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const int64 slot = slots[piece.row];
    if (slot == -1) continue;
    if (slot < 0 || slot >= capacity) return fail(report, KERNEL_kv_store, FAULT_SLOT, piece.row, slot, capacity);
    const float* const from = qkv + piece.row * pitch + key_offset;
    map_row(cache + slot * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

}  // namespace lockstep
