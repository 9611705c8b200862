#pragma once
#include "kv-group.h"

namespace lockstep {
namespace metadata {

/// Whether micro-batches of the batch's parts, `tokens[part]` each, would touch one block of a group in an order that is not
/// theirs: where the policy goes by layer order, a part reads as computed prefix what a later part writes; where it vetoes, any
/// prefill reads what another request writes.
bool shares_blocks(const int32_t* tokens, int32_t parts);

/// In the checked mode, notes that a request holds, or gives up, `count` blocks of a group.
void hold_blocks(const KvGroup& group, const int32_t* blocks, int32_t count, int32_t change);

}  // namespace metadata
}  // namespace lockstep
