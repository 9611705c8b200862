#include "bodies.h"

#include <cstring>
#include <utility>

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
  std::memcpy(&value, place, sizeof(value));
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

struct Entry {
  const char* name;
  Body body;
};

constexpr Entry ENTRIES[] = {
#define LOCKSTEP_KERNEL(name) {"lockstep_" #name, [](Grid grid, void* const* parameters) { call(name, grid, parameters); }},
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
};

}  // namespace

Body body_of(Kernel kernel) { return ENTRIES[kernel].body; }

Body find_body(const char* entry) {
  for (const Entry& known : ENTRIES) {
    if (std::strcmp(known.name, entry) == 0) return known.body;
  }
  return nullptr;
}

}  // namespace lockstep
