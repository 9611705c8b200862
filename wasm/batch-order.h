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

/// Puts a request, or -1, into row `place` of the order, and notes the change for the block tables.
void set_place(int32_t place, int32_t request);

/// Tokens of every decode of the batch where they are equal, else 0.
int32_t uniform_decode_len();

}  // namespace metadata
}  // namespace lockstep
