// Vectors of 16 bytes, at any address an entry may have. The compiler turns them into WebAssembly's SIMD, into the machine's
// own, or, in the scalar build, into single entries: the values are the same.
#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

typedef int64_t i64x2 __attribute__((vector_size(16), aligned(8), may_alias));
typedef int32_t i32x4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t u32x4 __attribute__((vector_size(16), aligned(4), may_alias));
typedef uint32_t u32x2 __attribute__((vector_size(8), aligned(4), may_alias));

template <typename V, typename T>
inline V load(const T* from) {
  return *reinterpret_cast<const V*>(from);
}

template <typename V, typename T>
inline void store(T* to, V value) {
  *reinterpret_cast<V*>(to) = value;
}

/// The first two of four positions, as 64-bit integers.
inline i64x2 widen_low(u32x4 value) {
  return __builtin_convertvector(__builtin_shufflevector(value, value, 0, 1), i64x2);
}

/// The last two of them.
inline i64x2 widen_high(u32x4 value) {
  return __builtin_convertvector(__builtin_shufflevector(value, value, 2, 3), i64x2);
}

/// Entries that `count_pairs` may write past the last one.
constexpr int32_t OVERSHOOT = 7;

/// out[i] = first + i, eight at a time: what lies up to OVERSHOOT entries past the end is overwritten.
inline void count_pairs(int64_t* out, int64_t first, int32_t count) {
  i64x2 value = {first, first + 1};
  const i64x2 step = {2, 2};
  for (int32_t i = 0; i < count; i += 8) {
    store(out + i, value);
    value += step;
    store(out + i + 2, value);
    value += step;
    store(out + i + 4, value);
    value += step;
    store(out + i + 6, value);
    value += step;
  }
}

}  // namespace metadata
}  // namespace lockstep
