// Vectors of 16 bytes, at any address an entry may have. The compiler turns them into WebAssembly's SIMD, into the machine's
// own, or, in the scalar build, into single entries: the values are the same.
#pragma once
#include "arena.h"

namespace lockstep {
namespace metadata {

typedef int64_t i64x2 __attribute__((vector_size(16)));
typedef int32_t i32x4 __attribute__((vector_size(16)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));

template <typename V, typename T>
inline V load(const T* from) {
  V value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename V, typename T>
inline void store(T* to, V value) {
  __builtin_memcpy(to, &value, sizeof value);
}

/// Copies some words, a multiple of four. Up to a few hundred bytes the machine's own copy takes longer to call.
inline void copy_vectors(int32_t* to, const int32_t* from, int32_t words) {
  for (int32_t i = 0; i < words; i += 4) store(to + i, load<i32x4>(from + i));
}

/// The first two of four positions, as 64-bit integers.
inline i64x2 widen_low(u32x4 value) { return i64x2{value[0], value[1]}; }

/// The last two of them.
inline i64x2 widen_high(u32x4 value) { return i64x2{value[2], value[3]}; }

/// The first of two entries, twice.
inline i64x2 both_first(i64x2 value) { return i64x2{value[0], value[0]}; }

/// The second of them, twice.
inline i64x2 both_second(i64x2 value) { return i64x2{value[1], value[1]}; }

/// Entries that a run may be written past its end.
constexpr int32_t OVERSHOOT = 15;

/// 0, 1, 2, … 15. The compiler cannot see the values, so it keeps them in registers: V8 makes a constant anew at each use.
extern int64_t COUNT[16];
extern int64_t SIXTEENS[2];

/// out[i] = first + i of a run, sixteen at a time: what lies up to OVERSHOOT entries past its end is overwritten. The stores
/// depend on nothing but the run's start, so the machine does as many at once as it can.
struct RunWriter {
  i64x2 c0 = load<i64x2>(COUNT), c2 = load<i64x2>(COUNT + 2), c4 = load<i64x2>(COUNT + 4), c6 = load<i64x2>(COUNT + 6);
  i64x2 c8 = load<i64x2>(COUNT + 8), c10 = load<i64x2>(COUNT + 10), c12 = load<i64x2>(COUNT + 12), c14 = load<i64x2>(COUNT + 14);

  inline void sixteen(int64_t* out, i64x2 from) const {
    store(out, from + c0);
    store(out + 2, from + c2);
    store(out + 4, from + c4);
    store(out + 6, from + c6);
    // LLVM would turn the order of the stores round, and ascending ones are written up to a fifth faster.
    __asm__ __volatile__("" ::: "memory");
    store(out + 8, from + c8);
    store(out + 10, from + c10);
    store(out + 12, from + c12);
    store(out + 14, from + c14);
  }

  inline void run(int64_t* out, int64_t first, int32_t count) const {
    const i64x2 step = load<i64x2>(SIXTEENS);
    i64x2 from = {first, first};
    for (int32_t i = 0; i < count; i += 16) {
      sixteen(out + i, from);
      from += step;
    }
  }
};

}  // namespace metadata
}  // namespace lockstep
