#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument gather_arguments[] = {{"view", LOCKSTEP_IN, 1},    {"counts", LOCKSTEP_IN, 4},
                                                  {"padded", LOCKSTEP_OUT, 1}, {"ranks", LOCKSTEP_I32, 0},
                                                  {"pitch", LOCKSTEP_I32, 0},  {"rowBytes", LOCKSTEP_I32, 0}};

constexpr lockstep_argument scatter_arguments[] = {{"padded", LOCKSTEP_IN, 1},  {"counts", LOCKSTEP_IN, 4},
                                                   {"view", LOCKSTEP_INOUT, 1}, {"ranks", LOCKSTEP_I32, 0},
                                                   {"pitch", LOCKSTEP_I32, 0},  {"rowBytes", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t padded, int64_t* required, lockstep_error* error) {
  required[1] = bytes_of(a[3].scalar, 4);
  required[padded] = bytes_of(a[3].scalar * a[4].scalar, a[5].scalar);
  return refuse_below("ranks", a[3].scalar, 0, error) || refuse_below("pitch", a[4].scalar, 0, error) ||
         refuse_below("rowBytes", a[5].scalar, 1, error);
}

int32_t check_gather(const lockstep_value* a, int64_t* required, lockstep_error* error) { return check(a, 2, required, error); }

int32_t check_scatter(const lockstep_value* a, int64_t* required, lockstep_error* error) { return check(a, 0, required, error); }

int64_t items(const lockstep_value* a) { return bytes_of(a[3].scalar * a[4].scalar, LANES); }

}  // namespace

KernelInfo gather_rows_info() { return kernel_info("gather_rows", gather_arguments, check_gather, items); }

KernelInfo scatter_rows_info() { return kernel_info("scatter_rows", scatter_arguments, check_scatter, items); }

}  // namespace lockstep
