#pragma once

#include "last-step.h"

namespace lockstep {

// Where the context-parallel ranks store what: `interleave` positions each, rank after rank.
struct ContextParallel {
  int64 size;
  int64 rank;
  int64 interleave;
};

// Place among the positions that this rank stores, or -1 where another rank stores it.
LOCKSTEP_BODY int64 stored_index(const ContextParallel& cp, int64 position) {
  const int64 turn = position / cp.interleave;
  if (turn % cp.size != cp.rank) return -1;
  return turn / cp.size * cp.interleave + position % cp.interleave;
}

// Fills the tensors that the device supplies, from tokens that the host has not seen: of each request whose source[r] names a row
// of the last step, its ids (the token sampled last, then the drafts), positions (base[r] + the accepted drafts), slots and
// seqLens. `sampled` holds 1 + max_drafts a row of the last step, the accepted drafts and then the token that follows them; `drafts`
// those proposed for this step, max_drafts a row. A request whose source is -1 keeps what the host uploaded; padding is padding. Windows are those of queryStartLoc, and
// tokenToRequest says which of their tokens are real. Where the tokens begin within the first request's window, first_place of it stand
// before them.
LOCKSTEP_BODY void device_inputs(Grid grid, const int* source, int64, const int* base, int64, const int* accepted,
                                 int64 accepted_bytes, const int* sampled, int64 sampled_bytes, const int* drafts,
                                 int64 drafts_bytes, const int* query_start_loc, int64, const int* token_to_request, int64,
                                 const int* block_table, int64, int* input_ids, int64, int64* positions, int64, int64* slots,
                                 int64, int* seq_lens, int64, int requests, int tokens, int max_drafts, int table_width,
                                 int block_size, int padded_seq_len, int cp_size, int cp_rank, int cp_interleave,
                                 int first_place, Report* report) {
  if (is_failed(report)) return;
  int64 rows = smaller(accepted_bytes / 4, sampled_bytes / 4 / (1 + static_cast<int64>(max_drafts)));
  if (max_drafts > 0) rows = smaller(rows, drafts_bytes / 4 / max_drafts);
  const AcceptedDrafts last = {accepted, rows, max_drafts, KERNEL_device_inputs};
  const ContextParallel cp = {cp_size, cp_rank, cp_interleave};

  for (int64 request = grid.index; request < requests; request += grid.stride) {
    const int64 begin = query_start_loc[request];
    const int64 end = smaller(query_start_loc[request + 1], tokens);
    int64 real = 0;
    while (begin >= 0 && begin + real < end && token_to_request[begin + real] == request) real++;
    if (real == 0) {
      seq_lens[request] = padded_seq_len;
      continue;
    }
    const int64 row = source[request];
    if (row < 0) continue;
    const int64 kept = drafts_kept(last, request, row, report);
    if (kept < 0) return;
    seq_lens[request] = static_cast<int>(base[request] + kept + (request == 0 ? first_place : 0) + real);
  }

  for (int64 token = grid.index; token < tokens; token += grid.stride) {
    const int64 request = token_to_request[token];
    if (request < 0) {
      input_ids[token] = 0;
      positions[token] = 0;
      slots[token] = -1;
      continue;
    }
    if (request >= requests) return fail(report, KERNEL_device_inputs, FAULT_TOKEN_REQUEST, token, request, requests);
    const int64 row = source[request];
    if (row < 0) continue;
    const int64 kept = drafts_kept(last, request, row, report);
    if (kept < 0) return;
    const int64 place = token - query_start_loc[request] + (request == 0 ? first_place : 0);
    if (place < 0 || place > max_drafts) return fail(report, KERNEL_device_inputs, FAULT_NO_DRAFT, token, place, max_drafts);
    const int64 position = base[request] + kept + place;
    const int64 index = stored_index(cp, position);
    if (position < 0 || (index >= 0 && index / block_size >= table_width)) {
      return fail(report, KERNEL_device_inputs, FAULT_POSITION, request, position, table_width);
    }
    int64 slot = -1;
    if (index >= 0) {
      const int64 block = block_table[request * table_width + index / block_size];
      if (block <= 0) return fail(report, KERNEL_device_inputs, FAULT_NO_BLOCK, place_of(request, index / block_size), block, position);
      slot = block * block_size + index % block_size;
    }
    input_ids[token] = place == 0 ? sampled[row * (1 + static_cast<int64>(max_drafts)) + kept] : drafts[row * max_drafts + place - 1];
    positions[token] = position;
    slots[token] = slot;
  }
}

}  // namespace lockstep
