#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Writes the facts of the scheduled batch, its order (decodes first), and where it would be cut into `parts`.
extern "C" void gather_facts(int32_t parts);

/// Ends the step's schedule: nothing is scheduled any more. Decodes of a step that was built may be continued.
extern "C" void state_clear_schedule();

inline int32_t scheduled_requests() { return state()[STATE_DECODES] + state()[STATE_PREFILLS]; }

/// First token of part `part` of `parts` in the packed batch, which is in order. A batch of decodes is cut by requests; one with
/// prefills as the policy's split says.
int32_t local_cut(int32_t part, int32_t parts);

/// Notes what stands in the order's `rows` rows: the block tables start over where it is not what stood there.
void note_order(int32_t rows, bool changed);

/// Tokens of every decode of the batch where they are equal, else 0.
int32_t uniform_decode_len();

}  // namespace metadata
}  // namespace lockstep
