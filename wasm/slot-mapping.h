#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Writes the slots of positions [start, start + count) of a request to `out`, in blocks of `block_size` tokens. A slot is
/// block id * block size + offset; with context parallelism, -1 where another rank stores the token. May write OVERSHOOT entries
/// past the last slot. Source: vLLM compute_slot_mapping.
void write_slots(int64_t* out, const int32_t* blocks, int32_t block_size, int32_t start, int32_t count);

/// Writes positions [start, start + count). May write OVERSHOOT entries past the last one.
void write_positions(int64_t* out, int32_t start, int32_t count);

/// With context parallelism, of the first `length` positions of each of `count` requests those that this rank stores.
/// Source: vLLM get_dcp_local_seq_lens.
void write_local_seq_lens(int32_t* out, const int32_t* lengths, int32_t count);

}  // namespace metadata
}  // namespace lockstep
