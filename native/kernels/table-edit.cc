#include "table-edit.h"

#include "kernel-info.h"

namespace lockstep {

namespace {

constexpr lockstep_argument arguments[] = {{"table", LOCKSTEP_INOUT, 4},
                                           {"edits", LOCKSTEP_IN, 4},
                                           {"source", LOCKSTEP_IN, 1},
                                           {"count", LOCKSTEP_I32, 0},
                                           {"pitch", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  required[1] = bytes_of(a[3].scalar, sizeof(TableEdit));
  return refuse_below("count", a[3].scalar, 0, error) || refuse_below("pitch", a[4].scalar, 1, error);
}

int64_t items(const lockstep_value* a) { return a[3].scalar * LANES; }

}  // namespace

KernelInfo table_edit_info() { return kernel_info("table_edit", arguments, check, items); }

}  // namespace lockstep
