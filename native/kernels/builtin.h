#pragma once

#include <cstdarg>
#include <cstdio>

#include "include/lockstep-kernels.h"

namespace lockstep {

lockstep_kernel kv_write_kernel();
lockstep_kernel kv_read_kernel();
lockstep_kernel kv_read_rows_kernel();
lockstep_kernel copy_kernel();
lockstep_kernel fill_kernel();
lockstep_kernel expert_kernel();
lockstep_kernel sum_shares_kernel();

const lockstep_kernel_table* builtin_kernels();

// What a kernel returns when it fails.
[[gnu::format(printf, 2, 3)]] inline int32_t report(lockstep_error* error, const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(error->message, sizeof(error->message), format, values);
  va_end(values);
  return 1;
}

// Bytes of `count` elements, saturated: no buffer is that large, so the launch is refused.
inline int64_t bytes_of(int64_t count, int64_t element_bytes) {
  int64_t bytes;
  return __builtin_mul_overflow(count, element_bytes, &bytes) ? INT64_MAX : bytes;
}

}  // namespace lockstep
