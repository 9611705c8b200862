// Written by scripts/write-exports.mjs from wasm/exports.txt.
#pragma once
#include <stdint.h>

namespace lockstep {
namespace metadata {
extern "C" {
void state_init();
int32_t state_add(int32_t computed);
int32_t state_append(int32_t row, int32_t count, int32_t group);
int32_t state_append_each(int32_t count, int32_t group);
int32_t state_schedule(int32_t row, int32_t phase, int32_t query_len, int32_t last_chunk, int32_t tokens_given, int32_t depends_on);
int32_t state_schedule_each(int32_t count);
int32_t state_advance(int32_t row, int32_t tokens);
int32_t state_advance_each(int32_t count);
int32_t state_remove(int32_t row);
void state_clear_schedule();
int32_t state_continue(int32_t count, int32_t gives);
int32_t state_computed(int32_t row);
void gather_facts(int32_t parts);
int32_t check_shared_blocks();
void build_step(int32_t set);
void end_step(int32_t set);
void build_padded(int32_t set, int32_t padded_tokens, int32_t attention_requests);
void build_cut(int32_t set, int32_t index, int32_t token_begin, int32_t token_end, int32_t padded_tokens, int32_t whole_requests);
void invalidate_device_table();
void kernel_decodes(int32_t set, int32_t window);
void kernel_slots(int32_t set);
int32_t kernel_block_table(int32_t set);
void kernel_paged_kv(int32_t set);
void limit_fill(int32_t offset, int32_t bytes);
void limit_copy(int32_t to, int32_t from, int32_t bytes);
void limit_clear(int32_t offset, int32_t bytes);
}
}  // namespace metadata
}  // namespace lockstep

/// X(name) of each of them.
#define LOCKSTEP_METADATA_EXPORTS(X) \
  X(state_init) \
  X(state_add) \
  X(state_append) \
  X(state_append_each) \
  X(state_schedule) \
  X(state_schedule_each) \
  X(state_advance) \
  X(state_advance_each) \
  X(state_remove) \
  X(state_clear_schedule) \
  X(state_continue) \
  X(state_computed) \
  X(gather_facts) \
  X(check_shared_blocks) \
  X(build_step) \
  X(end_step) \
  X(build_padded) \
  X(build_cut) \
  X(invalidate_device_table) \
  X(kernel_decodes) \
  X(kernel_slots) \
  X(kernel_block_table) \
  X(kernel_paged_kv) \
  X(limit_fill) \
  X(limit_copy) \
  X(limit_clear)
