#pragma once

#include "report.h"

namespace lockstep {

// One lane's share of a copy between places that do not overlap: whole words where all is aligned to them, then bytes.
LOCKSTEP_BODY void copy_share(char* to, const char* from, int64 bytes, int64 lane, int64 lanes) {
  int64 done = 0;
  if (is_word_aligned(to) && is_word_aligned(from)) {
    const int64 words = bytes / static_cast<int64>(sizeof(Word));
    Word* const into = reinterpret_cast<Word*>(to);
    const Word* const out_of = reinterpret_cast<const Word*>(from);
    for (int64 i = lane; i < words; i += lanes) into[i] = out_of[i];
    done = words * static_cast<int64>(sizeof(Word));
  }
  for (int64 i = done + lane; i < bytes; i += lanes) to[i] = from[i];
}

// `bytes` bytes of src to dst, which may overlap. If they do, one thread does it all, since the others have no order.
LOCKSTEP_BODY void copy(Grid grid, const char* src, int64, char* dst, int64, int64 bytes, Report* report) {
  if (is_failed(report) || src == dst) return;
  if (dst >= src + bytes || src >= dst + bytes) return copy_share(dst, src, bytes, grid.index, grid.stride);
  if (grid.index != 0) return;
  if (dst < src) {
    for (int64 i = 0; i < bytes; i++) dst[i] = src[i];
  } else {
    for (int64 i = bytes - 1; i >= 0; i--) dst[i] = src[i];
  }
}

}  // namespace lockstep
