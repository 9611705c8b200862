// Included by one file for each instruction set, which says which it is, what a vector of it has (LOCKSTEP_VECTOR_BYTES) and what the
// table is called (LOCKSTEP_BODIES): the bodies are compiled in each anew, and nothing of them is seen outside.
#include <cstddef>
#include <utility>

#include "bodies.h"

#include "accept-drafts.h"
#include "advance-positions.h"
#include "attend.h"
#include "copy.h"
#include "device-inputs.h"
#include "expert.h"
#include "f32-rows.h"
#include "fill.h"
#include "gather-rows.h"
#include "kv-read.h"
#include "kv-store.h"
#include "kv-write.h"
#include "matmul.h"
#include "rotate.h"
#include "route.h"
#include "sample.h"
#include "scatter-rows.h"
#include "sum-shares.h"
#include "table-edit.h"

namespace lockstep {

namespace {

template <typename Parameter>
Parameter parameter_at(const void* place) {
  Parameter value;
  __builtin_memcpy(&value, place, sizeof(value));
  return value;
}

template <typename... Parameters, size_t... index>
void call(void (*body)(Grid, Parameters...), Grid grid, void* const* parameters, std::index_sequence<index...>) {
  body(grid, parameter_at<Parameters>(parameters[index])...);
}

template <typename... Parameters>
void call(void (*body)(Grid, Parameters...), Grid grid, void* const* parameters) {
  call(body, grid, parameters, std::index_sequence_for<Parameters...>());
}

#define LOCKSTEP_KERNEL(name) \
  void run_##name(Grid grid, void* const* parameters) { call(name, grid, parameters); }
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL

}  // namespace

const Body LOCKSTEP_BODIES[KERNEL_COUNT] = {
#define LOCKSTEP_KERNEL(name) run_##name,
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
};

}  // namespace lockstep
