#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument embed_arguments[] = {{"ids", LOCKSTEP_IN, 4}, {"table", LOCKSTEP_IN, 4},   {"out", LOCKSTEP_OUT, 4},
                                                 {"n", LOCKSTEP_I32, 0},  {"vocab", LOCKSTEP_I32, 0}, {"width", LOCKSTEP_I32, 0}};

constexpr lockstep_argument take_arguments[] = {{"x", LOCKSTEP_IN, 4},      {"indices", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4},
                                                {"rows", LOCKSTEP_I32, 0}, {"n", LOCKSTEP_I32, 0},      {"width", LOCKSTEP_I32, 0}};

constexpr lockstep_argument join_arguments[] = {{"shards", LOCKSTEP_IN, 4},
                                                {"out", LOCKSTEP_OUT, 4},
                                                {"n", LOCKSTEP_I32, 0},
                                                {"ranks", LOCKSTEP_I32, 0},
                                                {"width", LOCKSTEP_I32, 0}};

constexpr lockstep_argument add_arguments[] = {{"x", LOCKSTEP_INOUT, 4}, {"y", LOCKSTEP_IN, 4}, {"count", LOCKSTEP_I64, 0}};

constexpr lockstep_argument swiglu_arguments[] = {
    {"gateUp", LOCKSTEP_IN, 4}, {"out", LOCKSTEP_OUT, 4}, {"n", LOCKSTEP_I32, 0}, {"width", LOCKSTEP_I32, 0}};

constexpr lockstep_argument combine_arguments[] = {{"shares", LOCKSTEP_IN, 4}, {"weights", LOCKSTEP_IN, 4},
                                                   {"out", LOCKSTEP_OUT, 4},   {"n", LOCKSTEP_I32, 0},
                                                   {"k", LOCKSTEP_I32, 0},     {"width", LOCKSTEP_I32, 0}};

constexpr lockstep_argument norm_arguments[] = {{"x", LOCKSTEP_IN, 4},     {"weight", LOCKSTEP_IN, 4},
                                                {"out", LOCKSTEP_OUT, 4},  {"n", LOCKSTEP_I32, 0},
                                                {"width", LOCKSTEP_I32, 0}, {"epsBits", LOCKSTEP_I32, 0}};

int32_t check_embed(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = bytes_of(a[3].scalar, 4);
  required[1] = float_bytes(a[4].scalar, a[5].scalar);
  required[2] = float_bytes(a[3].scalar, a[5].scalar);
  return refuse_any_below(embed_arguments, a, {3, 4}, 0, error) || refuse_below("width", a[5].scalar, 1, error);
}

int32_t check_take(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[3].scalar, a[5].scalar);
  required[1] = bytes_of(a[4].scalar, 4);
  required[2] = float_bytes(a[4].scalar, a[5].scalar);
  return refuse_any_below(take_arguments, a, {3, 4}, 0, error) || refuse_below("width", a[5].scalar, 1, error);
}

int64_t row_items(const lockstep_value* a) { return bytes_of(a[3].scalar, a[5].scalar); }

int64_t take_items(const lockstep_value* a) { return bytes_of(a[4].scalar, a[5].scalar); }

int32_t check_join(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[2].scalar * a[3].scalar, a[4].scalar);
  required[1] = required[0];
  return refuse_below("n", a[2].scalar, 0, error) || refuse_any_below(join_arguments, a, {3, 4}, 1, error);
}

int64_t join_items(const lockstep_value* a) { return bytes_of(a[2].scalar * a[3].scalar, a[4].scalar); }

int32_t check_add(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = bytes_of(a[2].scalar, 4);
  required[1] = required[0];
  return refuse_below("count", a[2].scalar, 0, error);
}

int64_t add_items(const lockstep_value* a) { return a[2].scalar; }

int32_t check_swiglu(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[2].scalar * 2, a[3].scalar);
  required[1] = float_bytes(a[2].scalar, a[3].scalar);
  return refuse_below("n", a[2].scalar, 0, error) || refuse_below("width", a[3].scalar, 1, error);
}

int64_t swiglu_items(const lockstep_value* a) { return bytes_of(a[2].scalar, a[3].scalar); }

// An exponential is some twenty operations.
int64_t swiglu_work(const lockstep_value* a) { return bytes_of(swiglu_items(a), 20); }

int32_t check_combine(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[3].scalar * a[4].scalar, a[5].scalar);
  required[1] = float_bytes(a[3].scalar, a[4].scalar);
  required[2] = float_bytes(a[3].scalar, a[5].scalar);
  return refuse_any_below(combine_arguments, a, {3}, 0, error) || refuse_any_below(combine_arguments, a, {4, 5}, 1, error);
}

int64_t combine_work(const lockstep_value* a) { return bytes_of(row_items(a), a[4].scalar); }

int32_t check_norm(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[0] = float_bytes(a[3].scalar, a[4].scalar);
  required[1] = bytes_of(a[4].scalar, 4);
  required[2] = required[0];
  // The bits of the floats from +0 on, infinity apart, are those integers.
  if (a[5].scalar < 0 || a[5].scalar >= 0x7f800000) {
    return refuse(error, "epsBits is %lld, the bits of no finite float from 0 on", static_cast<long long>(a[5].scalar));
  }
  return refuse_below("n", a[3].scalar, 0, error) || refuse_below("width", a[4].scalar, 1, error);
}

int64_t norm_items(const lockstep_value* a) { return a[3].scalar; }

int64_t norm_work(const lockstep_value* a) { return bytes_of(a[3].scalar, a[4].scalar); }

}  // namespace

KernelInfo embed_info() { return kernel_info("embed", embed_arguments, check_embed, row_items, row_items); }

KernelInfo take_rows_info() { return kernel_info("take_rows", take_arguments, check_take, take_items, take_items); }

KernelInfo join_columns_info() { return kernel_info("join_columns", join_arguments, check_join, join_items, join_items); }

KernelInfo add_info() { return kernel_info("add", add_arguments, check_add, add_items, add_items); }

KernelInfo swiglu_info() { return kernel_info("swiglu", swiglu_arguments, check_swiglu, swiglu_items, swiglu_work); }

KernelInfo combine_info() { return kernel_info("combine", combine_arguments, check_combine, row_items, combine_work); }

KernelInfo rms_norm_info() { return kernel_info("rms_norm", norm_arguments, check_norm, norm_items, norm_work); }

}  // namespace lockstep
