#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

/// Leaves what was wrong in the error words, and returns `code`. Nothing else may have been written.
inline int32_t refuse(int32_t code, int32_t row, int32_t value, int32_t limit_value, int32_t group = 0) {
  int32_t* error = region(REGION_ERROR);
  error[ERROR_CODE] = code;
  error[ERROR_ROW] = row;
  error[ERROR_VALUE] = value;
  error[ERROR_LIMIT] = limit_value;
  error[ERROR_GROUP] = group;
  return code;
}

}  // namespace metadata
}  // namespace lockstep
