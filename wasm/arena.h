// Addresses in the planner's memory: an offset from its start.
#pragma once
#include <stddef.h>

// So that the compiler compares what a source exports with what is listed.
#include "exports.h"
#include "layout.h"

namespace lockstep {
namespace metadata {

#ifdef __wasm__
inline char* arena() { return nullptr; }
#else
/// The memory that this thread's current call works on. In WebAssembly an offset is the address.
extern thread_local char* bound_arena;
inline char* arena() { return bound_arena; }
#endif

template <typename T>
inline T* at(uint32_t offset) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(arena()) + offset);
}

inline int32_t* config() { return at<int32_t>(static_cast<uint32_t>(CONFIG_BASE)); }
inline int32_t limit(int32_t word) { return config()[word]; }

template <typename T = int32_t>
inline T* region(int32_t index) {
  return at<T>(static_cast<uint32_t>(config()[CONFIG_REGIONS + index]));
}

/// A tensor of view `view` (0 the whole batch, 1 + p its part p) in staging set `set`.
template <typename T = int32_t>
inline T* tensor(int32_t set, int32_t view, int32_t name) {
  return at<T>(static_cast<uint32_t>(config()[CONFIG_TENSORS + (set * MAX_VIEWS + view) * TENSOR_WORDS + name]));
}

inline int32_t* row_at(int32_t row) { return region(REGION_ROWS) + row * ROW_WORDS; }
inline int32_t* state() { return region(REGION_STATE); }

inline int32_t min(int32_t a, int32_t b) { return a < b ? a : b; }
inline int32_t max(int32_t a, int32_t b) { return a > b ? a : b; }
inline int32_t clamp(int32_t value, int32_t low, int32_t high) { return min(max(value, low), high); }

template <typename T>
inline void fill(T* to, int64_t count, T value) {
  for (int64_t i = 0; i < count; i++) to[i] = value;
}

template <typename T>
inline void copy(T* to, const T* from, int64_t count) {
  if (count > 0) __builtin_memcpy(to, from, static_cast<size_t>(count) * sizeof(T));
}

/// out[i] = first + i * step.
inline void count_up(int32_t* out, int64_t count, int32_t first, int32_t step) {
  for (int64_t i = 0; i < count; i++) out[i] = first + static_cast<int32_t>(i) * step;
}

}  // namespace metadata
}  // namespace lockstep
