#pragma once

#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <string>

#include "include/lockstep-kernels.h"
#include "report.h"

namespace lockstep {

// What is known of a kernel apart from its code: the same on the host and on every GPU.
struct KernelInfo {
  const char* name;
  int32_t argument_count;
  const lockstep_argument* arguments;
  // Of lockstep_kernel.
  int32_t (*check)(const lockstep_value* arguments, int64_t* required_bytes, lockstep_error* error);
  int64_t (*items)(const lockstep_value* arguments);
  // About how many numbers a launch adds up, which says whether it is worth several threads of the host. Null: it never is.
  int64_t (*work)(const lockstep_value* arguments);
};

// Defined beside each kernel's body: <name>_info().
#define LOCKSTEP_KERNEL(name) KernelInfo name##_info();
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL

template <int32_t count>
KernelInfo kernel_info(const char* name, const lockstep_argument (&arguments)[count], decltype(KernelInfo::check) check,
                       decltype(KernelInfo::items) items, decltype(KernelInfo::work) work = nullptr) {
  static_assert(count <= LOCKSTEP_MAX_ARGUMENTS);
  return {name, count, arguments, check, items, work};
}

// What a check returns when it refuses.
[[gnu::format(printf, 2, 3)]] inline int32_t refuse(lockstep_error* error, const char* format, ...) {
  va_list values;
  va_start(values, format);
  std::vsnprintf(error->message, sizeof(error->message), format, values);
  va_end(values);
  return 1;
}

// Refuses a scalar below the least that it may be; 0 if it is not.
inline int32_t refuse_below(const char* name, int64_t value, int64_t least, lockstep_error* error) {
  if (value >= least) return 0;
  return refuse(error, "%s is %lld; give %lld or more", name, static_cast<long long>(value), static_cast<long long>(least));
}

// Bytes of `count` elements, saturated: no buffer is that large, so the launch is refused.
inline int64_t bytes_of(int64_t count, int64_t element_bytes) {
  int64_t bytes;
  return __builtin_mul_overflow(count, element_bytes, &bytes) ? INT64_MAX : bytes;
}

// Refuses the first of these scalars that is below `least`.
inline int32_t refuse_any_below(const lockstep_argument* arguments, const lockstep_value* values,
                                std::initializer_list<int32_t> scalars, int64_t least, lockstep_error* error) {
  for (const int32_t scalar : scalars) {
    if (refuse_below(arguments[scalar].name, values[scalar].scalar, least, error) != 0) return 1;
  }
  return 0;
}

// Bytes of floats in rows, saturated.
inline int64_t float_bytes(int64_t rows, int64_t width) { return bytes_of(bytes_of(rows, width), 4); }

}  // namespace lockstep
