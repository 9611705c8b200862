#include "slot-mapping.h"

#include "vectors.h"

namespace lockstep {
namespace metadata {
namespace {

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
  const int32_t* block = blocks + start / block_size;
  int32_t offset = start % block_size;
  // One division a request: from here on blocks follow each other, each a run of consecutive slots.
  for (int32_t done = 0; done < count;) {
    const int32_t run = min(count - done, block_size - offset);
    count_pairs(out + done, static_cast<int64_t>(*block++) * block_size + offset, run);
    done += run;
    offset = 0;
  }
}

void write_positions(int64_t* out, int32_t start, int32_t count) { count_pairs(out, start, count); }

}  // namespace metadata
}  // namespace lockstep
