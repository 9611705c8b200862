#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Brings the first `rows` rows of staging set `set`'s block table up to the step's requests, and lists in the table edits
/// what the device's copy lacks: int32[4] each, (row, first column, end column, 0). Returns the number of edits.
/// Rows past `requests`, those whose order is -1, and the tail of every row hold the null block 0. Source: vLLM BlockTable.
int32_t sync_block_table(int32_t set, int32_t requests, int32_t rows);

}  // namespace metadata
}  // namespace lockstep
