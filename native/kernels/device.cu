// The kernels as a GPU's entry points, for nvcc, hiprtc and clang alike. A buffer is a pointer and its bytes; the report comes
// last; any grid and any block size will do.
#include "accept-drafts.h"
#include "advance-positions.h"
#include "attend.h"
#include "copy.h"
#include "device-inputs.h"
#include "expert.h"
#include "f32-rows.h"
#include "fill.h"
#include "gather-rows.h"
#include "kv-read.h"
#include "kv-store.h"
#include "kv-write.h"
#include "matmul.h"
#include "rotate.h"
#include "route.h"
#include "sample.h"
#include "scatter-rows.h"
#include "sum-shares.h"
#include "table-edit.h"

using namespace lockstep;

extern "C" {

__global__ void lockstep_kv_write(const int* ids, int64 ids_bytes, const int64* slots, int64 slots_bytes, int* cache,
                                  int64 cache_bytes, int n, Report* report) {
  kv_write(grid_of_thread(), ids, ids_bytes, slots, slots_bytes, cache, cache_bytes, n, report);
}

__global__ void lockstep_kv_read(const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                 const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, int row_begin, int row_end,
                                 int pitch, int block_size, Report* report) {
  kv_read(grid_of_thread(), cache, cache_bytes, block_table, table_bytes, seq_lens, lens_bytes, out, out_bytes, row_begin,
          row_end, pitch, block_size, report);
}

__global__ void lockstep_kv_read_rows(const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                      const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, const int* list,
                                      int64 list_bytes, int count, int pitch, int block_size, Report* report) {
  kv_read_rows(grid_of_thread(), cache, cache_bytes, block_table, table_bytes, seq_lens, lens_bytes, out, out_bytes, list,
               list_bytes, count, pitch, block_size, report);
}

__global__ void lockstep_copy(const char* src, int64 src_bytes, char* dst, int64 dst_bytes, int64 bytes, Report* report) {
  copy(grid_of_thread(), src, src_bytes, dst, dst_bytes, bytes, report);
}

__global__ void lockstep_fill(int* dst, int64 dst_bytes, int value, int64 count, Report* report) {
  fill(grid_of_thread(), dst, dst_bytes, value, count, report);
}

__global__ void lockstep_table_edit(char* table, int64 table_bytes, const TableEdit* edits, int64 edits_bytes,
                                    const char* source, int64 source_bytes, int count, int pitch, Report* report) {
  table_edit(grid_of_thread(), table, table_bytes, edits, edits_bytes, source, source_bytes, count, pitch, report);
}

__global__ void lockstep_gather_rows(const char* view, int64 view_bytes, const int* counts, int64 counts_bytes, char* padded,
                                     int64 padded_bytes, int ranks, int pitch, int row_bytes, Report* report) {
  gather_rows(grid_of_thread(), view, view_bytes, counts, counts_bytes, padded, padded_bytes, ranks, pitch, row_bytes, report);
}

__global__ void lockstep_scatter_rows(const char* padded, int64 padded_bytes, const int* counts, int64 counts_bytes, char* view,
                                      int64 view_bytes, int ranks, int pitch, int row_bytes, Report* report) {
  scatter_rows(grid_of_thread(), padded, padded_bytes, counts, counts_bytes, view, view_bytes, ranks, pitch, row_bytes, report);
}

__global__ void lockstep_device_inputs(const int* source, int64 source_bytes, const int* base, int64 base_bytes,
                                       const int* accepted, int64 accepted_bytes, const int* sampled, int64 sampled_bytes,
                                       const int* drafts, int64 drafts_bytes, const int* query_start_loc, int64 start_bytes,
                                       const int* token_to_request, int64 requests_bytes, const int* block_table,
                                       int64 table_bytes, int* input_ids, int64 ids_bytes, int64* positions,
                                       int64 positions_bytes, int64* slots, int64 slots_bytes, int* seq_lens, int64 lens_bytes,
                                       int requests, int tokens, int max_drafts, int table_width, int block_size,
                                       int padded_seq_len, int cp_size, int cp_rank, int cp_interleave, int first_place,
                                       Report* report) {
  device_inputs(grid_of_thread(), source, source_bytes, base, base_bytes, accepted, accepted_bytes, sampled, sampled_bytes, drafts,
                drafts_bytes, query_start_loc, start_bytes, token_to_request, requests_bytes, block_table, table_bytes, input_ids,
                ids_bytes, positions, positions_bytes, slots, slots_bytes, seq_lens, lens_bytes, requests, tokens, max_drafts,
                table_width, block_size, padded_seq_len, cp_size, cp_rank, cp_interleave, first_place, report);
}

__global__ void lockstep_accept_drafts(const int* sampled, int64 sampled_bytes, const int* next, int64 next_bytes, const int* first,
                                       int64 first_bytes, int* accepted, int64 accepted_bytes, int* out, int64 out_bytes, int n,
                                       int tokens, int max_drafts, Report* report) {
  accept_drafts(grid_of_thread(), sampled, sampled_bytes, next, next_bytes, first, first_bytes, accepted, accepted_bytes, out,
                out_bytes, n, tokens, max_drafts, report);
}

__global__ void lockstep_advance_positions(const int* source, int64 source_bytes, const int* accepted, int64 accepted_bytes,
                                           int* controls, int64 controls_bytes, int n, int max_drafts, Report* report) {
  advance_positions(grid_of_thread(), source, source_bytes, accepted, accepted_bytes, controls, controls_bytes, n, max_drafts, report);
}

__global__ void lockstep_expert(const int* rows, int64 rows_bytes, const int* routed, int64 routed_bytes, int* out,
                                int64 out_bytes, int n, int rank, int ranks, Report* report) {
  expert(grid_of_thread(), rows, rows_bytes, routed, routed_bytes, out, out_bytes, n, rank, ranks, report);
}

__global__ void lockstep_sum_shares(const int* shares, int64 shares_bytes, int* out, int64 out_bytes, int64 count, int ranks,
                                    Report* report) {
  sum_shares(grid_of_thread(), shares, shares_bytes, out, out_bytes, count, ranks, report);
}

__global__ void lockstep_embed(const int* ids, int64 ids_bytes, const float* table, int64 table_bytes, float* out,
                               int64 out_bytes, int n, int vocab, int width, Report* report) {
  embed(grid_of_thread(), ids, ids_bytes, table, table_bytes, out, out_bytes, n, vocab, width, report);
}

__global__ void lockstep_rms_norm(const float* x, int64 x_bytes, const float* weight, int64 weight_bytes, float* out,
                                  int64 out_bytes, int n, int width, int eps_bits, Report* report) {
  rms_norm(grid_of_thread(), x, x_bytes, weight, weight_bytes, out, out_bytes, n, width, eps_bits, report);
}

__global__ void lockstep_matmul(const float* x, int64 x_bytes, const float* w, int64 w_bytes, float* out, int64 out_bytes,
                                int n, int k, int m, Report* report) {
  matmul(grid_of_thread(), x, x_bytes, w, w_bytes, out, out_bytes, n, k, m, report);
}

__global__ void lockstep_add(float* x, int64 x_bytes, const float* y, int64 y_bytes, int64 count, Report* report) {
  add(grid_of_thread(), x, x_bytes, y, y_bytes, count, report);
}

__global__ void lockstep_rotate(float* qkv, int64 qkv_bytes, const int64* positions, int64 positions_bytes,
                                const float* cosines, int64 cosines_bytes, const float* sines, int64 sines_bytes, int n,
                                int heads, int head_dim, int pitch, int max_positions, Report* report) {
  rotate(grid_of_thread(), qkv, qkv_bytes, positions, positions_bytes, cosines, cosines_bytes, sines, sines_bytes, n, heads,
         head_dim, pitch, max_positions, report);
}

__global__ void lockstep_kv_store(const float* qkv, int64 qkv_bytes, const int64* slots, int64 slots_bytes, float* cache,
                                  int64 cache_bytes, int n, int pitch, int key_offset, int kv_heads, int head_dim,
                                  Report* report) {
  kv_store(grid_of_thread(), qkv, qkv_bytes, slots, slots_bytes, cache, cache_bytes, n, pitch, key_offset, kv_heads, head_dim,
           report);
}

__global__ void lockstep_attend(const float* qkv, int64 qkv_bytes, const float* cache, int64 cache_bytes,
                                const int* block_table, int64 block_table_bytes, const int64* positions,
                                int64 positions_bytes, const int* token_to_request, int64 token_to_request_bytes,
                                float* out, int64 out_bytes, int n, int requests, int table_width, int block_size,
                                int pitch, int heads, int kv_heads, int head_dim, int window, int scale_bits,
                                Report* report) {
  attend(grid_of_thread(), qkv, qkv_bytes, cache, cache_bytes, block_table, block_table_bytes, positions,
         positions_bytes, token_to_request, token_to_request_bytes, out, out_bytes, n, requests, table_width,
         block_size, pitch, heads, kv_heads, head_dim, window, scale_bits, report);
}

__global__ void lockstep_swiglu(const float* gate_up, int64 gate_up_bytes, float* out, int64 out_bytes, int n, int width,
                                Report* report) {
  swiglu(grid_of_thread(), gate_up, gate_up_bytes, out, out_bytes, n, width, report);
}

__global__ void lockstep_take_rows(const float* x, int64 x_bytes, const int* indices, int64 indices_bytes, float* out,
                                   int64 out_bytes, int rows, int n, int width, Report* report) {
  take_rows(grid_of_thread(), x, x_bytes, indices, indices_bytes, out, out_bytes, rows, n, width, report);
}

__global__ void lockstep_join_columns(const float* shards, int64 shards_bytes, float* out, int64 out_bytes, int n, int ranks,
                                      int width, Report* report) {
  join_columns(grid_of_thread(), shards, shards_bytes, out, out_bytes, n, ranks, width, report);
}

__global__ void lockstep_sample(const float* logits, int64 logits_bytes, const int* controls, int64 controls_bytes, int* out,
                                int64 out_bytes, int n, int vocab, Report* report) {
  sample(grid_of_thread(), logits, logits_bytes, controls, controls_bytes, out, out_bytes, n, vocab, report);
}

__global__ void lockstep_route(const float* logits, int64 logits_bytes, int* chosen, int64 chosen_bytes, float* weights,
                               int64 weights_bytes, int n, int experts, int k, Report* report) {
  route(grid_of_thread(), logits, logits_bytes, chosen, chosen_bytes, weights, weights_bytes, n, experts, k, report);
}

__global__ void lockstep_expert_matmul(const float* x, int64 x_bytes, const int* chosen, int64 chosen_bytes, const float* w,
                                       int64 w_bytes, float* out, int64 out_bytes, int n, int k, int k_dim, int m, int first,
                                       int count, int per_choice, Report* report) {
  expert_matmul(grid_of_thread(), x, x_bytes, chosen, chosen_bytes, w, w_bytes, out, out_bytes, n, k, k_dim, m, first, count,
                per_choice, report);
}

__global__ void lockstep_combine(const float* shares, int64 shares_bytes, const float* weights, int64 weights_bytes,
                                 float* out, int64 out_bytes, int n, int k, int width, Report* report) {
  combine(grid_of_thread(), shares, shares_bytes, weights, weights_bytes, out, out_bytes, n, k, width, report);
}

}  // extern "C"
