#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument range_arguments[] = {
    {"cache", LOCKSTEP_IN, 4},   {"blockTable", LOCKSTEP_IN, 4}, {"seqLens", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
    {"rowBegin", LOCKSTEP_I32, 0}, {"rowEnd", LOCKSTEP_I32, 0},    {"pitch", LOCKSTEP_I32, 0},  {"blockSize", LOCKSTEP_I32, 0}};

constexpr lockstep_argument list_arguments[] = {
    {"cache", LOCKSTEP_IN, 4}, {"blockTable", LOCKSTEP_IN, 4}, {"seqLens", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
    {"rows", LOCKSTEP_IN, 4},  {"count", LOCKSTEP_I32, 0},     {"pitch", LOCKSTEP_I32, 0},  {"blockSize", LOCKSTEP_I32, 0}};

int32_t check_sizes(const lockstep_value* a, lockstep_error* error) {
  return refuse_below("pitch", a[6].scalar, 0, error) || refuse_below("blockSize", a[7].scalar, 1, error);
}

int32_t check_range(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  const long long row_begin = a[4].scalar;
  const long long row_end = a[5].scalar;
  if (row_begin < 0 || row_end < row_begin) return refuse(error, "rows %lld to %lld are not a range", row_begin, row_end);
  required[1] = bytes_of(row_end * a[6].scalar, 4);
  required[2] = bytes_of(row_end, 4);
  return check_sizes(a, error);
}

int32_t check_list(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[4] = bytes_of(a[5].scalar, 4);
  return refuse_below("count", a[5].scalar, 0, error) || check_sizes(a, error);
}

int64_t range_items(const lockstep_value* a) { return (a[5].scalar - a[4].scalar) * LANES; }

int64_t list_items(const lockstep_value* a) { return a[5].scalar * LANES; }

}  // namespace

KernelInfo kv_read_info() { return kernel_info("kv_read", range_arguments, check_range, range_items); }

KernelInfo kv_read_rows_info() { return kernel_info("kv_read_rows", list_arguments, check_list, list_items); }

}  // namespace lockstep
