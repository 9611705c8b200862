#pragma once

#include "grid.h"

namespace lockstep {

enum Kernel : int {
#define LOCKSTEP_KERNEL(name) KERNEL_##name,
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  KERNEL_COUNT
};

// What a body may find wrong. report-words.cc says which values go with each, and in which words.
enum Fault : int {
  FAULT_NONE,
  FAULT_SLOT,
  FAULT_LENGTH,
  FAULT_OUT_FULL,
  FAULT_BLOCK,
  FAULT_LISTED_ROW,
  FAULT_EDIT,
  FAULT_ROW_COUNT,
  FAULT_VIEW_FULL,
  FAULT_LAST_ROW,
  FAULT_ACCEPTED,
  FAULT_TOKEN_REQUEST,
  FAULT_NO_DRAFT,
  FAULT_POSITION,
  FAULT_NO_BLOCK,
  FAULT_ID,
  FAULT_INDEX,
  FAULT_ROTATION,
  FAULT_TOKEN_POSITION,
  FAULT_TEMPERATURE,
  FAULT_TOP_K,
  FAULT_TOP_P,
  FAULT_CHOSEN,
  FAULT_LOGIT,
  FAULT_FIRST,
};

// The first failure of the kernels that share a report, zero where there is none. A kernel that finds one there does
// nothing, so what follows a failed kernel on its stream is skipped.
struct Report {
  int fault;
  int kernel;
  int64 values[3];
};
static_assert(sizeof(Report) == 32, "of which backends and interpreters know the size");

LOCKSTEP_BODY bool is_failed(const Report* report) {
#ifdef LOCKSTEP_ON_DEVICE
  return *static_cast<const volatile int*>(&report->fault) != FAULT_NONE;
#else
  return __atomic_load_n(&report->fault, __ATOMIC_RELAXED) != FAULT_NONE;
#endif
}

// The first of all threads to call it writes the report.
LOCKSTEP_BODY void fail(Report* report, Kernel kernel, Fault fault, int64 a, int64 b, int64 c) {
  if (!store_first(&report->fault, fault)) return;
  report->kernel = kernel;
  report->values[0] = a;
  report->values[1] = b;
  report->values[2] = c;
}

// Two indices in one of the report's integers.
LOCKSTEP_BODY int64 place_of(int64 row, int64 column) {
  return static_cast<int64>(static_cast<unsigned long long>(row) << 32 | static_cast<unsigned int>(column));
}

}  // namespace lockstep
