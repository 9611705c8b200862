#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Where a step's decodes, prefills and padding go in the tensors of the whole batch.
struct WholeShape {
  /// Rows up to the last request's; the order holds a request or -1 in each.
  int32_t rows;
  /// Tokens of each decode's window in a decode graph; 0 where requests are packed.
  int32_t window;
  int32_t padded_tokens;
  int32_t attention_requests;
};

/// Writes the tensors of the whole batch of staging set `set`. In windows, tokens that a short draft lacks are padding at
/// the window's end. Returns the number of logits.
int32_t build_whole(int32_t set, const WholeShape& shape);

}  // namespace metadata
}  // namespace lockstep
