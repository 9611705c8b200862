#pragma once

#include "../../wasm/layout.h"

namespace lockstep {

// An edit of COMMAND_UPLOAD_ROWS: row, first column, column after the last, unused.
constexpr int32_t EDIT_WORDS = 4;

}  // namespace lockstep
