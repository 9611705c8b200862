#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Fills the padding of tokens [begin, padded) of a view; of its slots, those of the first group.
void pad_tokens(int32_t set, int32_t view, int32_t begin, int32_t padded);

/// Keeps a group's slots -1 from token `begin` on, up to `padded` and everywhere beyond: only what an earlier step wrote there is
/// cleared.
void pad_slots(const KvGroup& group, int32_t set, int32_t view, int32_t begin, int32_t padded);

/// A part of the whole batch: its requests' rows and its tokens, half-open, and its padded counts.
struct Part {
  int32_t request_begin;
  int32_t request_end;
  int32_t token_begin;
  int32_t token_end;
  int32_t padded_tokens;
  int32_t attention_requests;
};

/// Writes the tensors of part `index` from those of the whole batch in the same set, of which `whole_tokens` and
/// `whole_requests` are valid (padding included). A request cut by the part's end counts only what it has so far; one that
/// began in an earlier part keeps its whole length, since those tokens were written first. Returns the number of logits.
/// Source: vLLM split_attn_metadata / ubatch_utils.
int32_t build_part(int32_t set, int32_t index, const Part& part, int32_t whole_requests, int32_t whole_logits);

/// Requests of the packed batch that have a token in [begin, end): half-open.
void requests_of(const int32_t* query_start_loc, int32_t requests, int32_t begin, int32_t end, int32_t* first, int32_t* last);

}  // namespace metadata
}  // namespace lockstep
