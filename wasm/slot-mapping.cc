#include "slot-mapping.h"

#include "vectors.h"

namespace lockstep {
namespace metadata {

int64_t COUNT[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
int64_t SIXTEENS[2] = {16, 16};

namespace {

/// With context parallelism each position is stored by one rank of the group, `interleave` tokens in turn.
void write_interleaved(int64_t* out, const int32_t* blocks, int32_t block_size, int32_t start, int32_t count) {
  const int32_t ranks = limit(LIMIT_CONTEXT_PARALLEL_SIZE);
  const int32_t rank = limit(LIMIT_CONTEXT_PARALLEL_RANK);
  const int32_t interleave = limit(LIMIT_INTERLEAVE_SIZE);
  const int32_t span = block_size * ranks;
  for (int32_t i = 0; i < count; i++) {
    const int32_t position = start + i;
    const int32_t inside = position % span;
    const bool mine = inside / interleave % ranks == rank;
    const int32_t offset = inside / (ranks * interleave) * interleave + inside % interleave;
    out[i] = mine ? static_cast<int64_t>(blocks[position / span]) * block_size + offset : -1;
  }
}

/// Whole blocks of sixteen slots up to `end`, two at a time: their ids never leave the vector unit.
inline void write_sixteens(const RunWriter& runs, int64_t* out, int64_t* end, const int32_t* block) {
  for (; end - out > 16; out += 32, block += 2) {
    const i64x2 base = i64x2{block[0], block[1]} << 4;
    runs.sixteen(out, both_first(base));
    runs.sixteen(out + 16, both_second(base));
  }
  if (out < end) runs.run(out, static_cast<int64_t>(*block) * 16, 16);
}

}  // namespace

// Not inlined: with the constants of a run in registers there is none left for the loop over requests.
__attribute__((noinline)) void write_slots(int64_t* out, const int32_t* blocks, int32_t block_size, int32_t start, int32_t count) {
  if (limit(LIMIT_CONTEXT_PARALLEL_SIZE) > 1) return write_interleaved(out, blocks, block_size, start, count);
  const RunWriter runs;
  // One division a request: from here on blocks follow each other, each a run of consecutive slots.
  const int32_t first = start / block_size;
  const int32_t offset = start - first * block_size;
  const int32_t* block = blocks + first;
  int64_t* const end = out + count;
  runs.run(out, static_cast<int64_t>(*block++) * block_size + offset, min(count, block_size - offset));
  out += block_size - offset;
  if (block_size == 16) return write_sixteens(runs, out, end, block);
  for (; out < end; out += block_size) {
    const int64_t left = end - out;
    runs.run(out, static_cast<int64_t>(*block++) * block_size, left < block_size ? static_cast<int32_t>(left) : block_size);
  }
}

__attribute__((noinline)) void write_positions(int64_t* out, int32_t start, int32_t count) {
  RunWriter().run(out, start, count);
}

void write_local_seq_lens(int32_t* out, const int32_t* lengths, int32_t count) {
  const int32_t interleave = limit(LIMIT_INTERLEAVE_SIZE);
  const int32_t turn = interleave * limit(LIMIT_CONTEXT_PARALLEL_SIZE);
  const int32_t before = interleave * limit(LIMIT_CONTEXT_PARALLEL_RANK);
  for (int32_t i = 0; i < count; i++) {
    out[i] = lengths[i] / turn * interleave + clamp(lengths[i] % turn - before, 0, interleave);
  }
}

}  // namespace metadata
}  // namespace lockstep
