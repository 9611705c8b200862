#include "slot-mapping.h"

namespace lockstep {
namespace {

// Two slots a store, at any 8-byte address.
typedef int64_t pair __attribute__((vector_size(16), aligned(8), may_alias));

/// out[i] = first + i. The last store may overshoot by one entry, into what is written next or into slack.
inline void write_run(int64_t* out, int64_t first, int32_t count) {
  if (count == 1) {
    *out = first;
    return;
  }
  pair value = {first, first + 1};
  const pair step = {2, 2};
  for (int32_t i = 0; i < count; i += 2) {
    *reinterpret_cast<pair*>(out + i) = value;
    value += step;
  }
}

/// Each position is stored by one rank of the context-parallel group, `interleave` tokens in turn.
void write_interleaved(int64_t* out, const int32_t* blocks, int32_t start, int32_t count) {
  const int64_t block_size = limit(LIMIT_BLOCK_SIZE);
  const int32_t ranks = limit(LIMIT_CONTEXT_PARALLEL_SIZE);
  const int32_t rank = limit(LIMIT_CONTEXT_PARALLEL_RANK);
  const int32_t interleave = limit(LIMIT_INTERLEAVE_SIZE);
  const int32_t span = block_span();
  for (int32_t i = 0; i < count; i++) {
    const int32_t position = start + i;
    const int32_t inside = position % span;
    const bool mine = inside / interleave % ranks == rank;
    const int32_t offset = inside / (ranks * interleave) * interleave + inside % interleave;
    out[i] = mine ? blocks[position / span] * block_size + offset : -1;
  }
}

}  // namespace

void write_slots(int64_t* out, const int32_t* blocks, int32_t start, int32_t count) {
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) return write_interleaved(out, blocks, start, count);
  const int32_t block_size = limit(LIMIT_BLOCK_SIZE);
  int32_t block = start / block_size;
  int32_t offset = start % block_size;
  for (int32_t done = 0; done < count;) {
    const int32_t run = min(count - done, block_size - offset);
    write_run(out + done, static_cast<int64_t>(blocks[block]) * block_size + offset, run);
    done += run;
    block++;
    offset = 0;
  }
}

void write_positions(int64_t* out, int32_t start, int32_t count) { write_run(out, start, count); }

}  // namespace lockstep
