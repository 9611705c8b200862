#pragma once

#include "grid.h"

// Sums of many floats have one order everywhere: lane l of 16 adds elements l, l + 16, … in order, from +0; then lanes are added
// pairwise, l += l + 8, l += l + 4, l += l + 2, l += l + 1. It is that of any vector instructions, and of 16 registers.

namespace lockstep {

// What these are differs between the compilations of one program.
namespace {

constexpr int64 SUM_LANES = 16;

// Floats that one instruction of this compilation works on.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int64 VECTOR_FLOATS = 1;
typedef float Vector;
typedef float LooseVector;
#else
#ifndef LOCKSTEP_VECTOR_BYTES
#define LOCKSTEP_VECTOR_BYTES 16
#endif
constexpr int64 VECTOR_FLOATS = LOCKSTEP_VECTOR_BYTES / 4;
typedef float Vector __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
// At any address of a float.
typedef float LooseVector __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES), aligned(4), may_alias));
#endif

constexpr int64 PARTS = SUM_LANES / VECTOR_FLOATS;

// Elements of a row that are one item of work. A GPU's thread takes all of them, so its neighbours are so far apart: plain, not fast.
constexpr int64 PIECE = 256;

// 16 floats: what a sum keeps.
struct Lanes {
  Vector part[PARTS];
};

LOCKSTEP_BODY Vector load_vector(const float* from) { return *reinterpret_cast<const LooseVector*>(from); }

// What an expression over rows is made at: one element, or those of one vector.
struct ScalarAt {
  int64 index;
  LOCKSTEP_MEMBER float operator()(const float* row) const { return row[index]; }
  LOCKSTEP_MEMBER void store(float* row, float value) const { row[index] = value; }
};

struct VectorAt {
  int64 index;
  LOCKSTEP_MEMBER Vector operator()(const float* row) const { return load_vector(row + index); }
  LOCKSTEP_MEMBER void store(float* row, Vector value) const { *reinterpret_cast<LooseVector*>(row + index) = value; }
};

}  // namespace

// Calls step(at i) for i from `begin` up to `end`.
template <typename Step>
LOCKSTEP_BODY void each_in_row(int64 begin, int64 end, const Step& step) {
  int64 i = begin;
  if (VECTOR_FLOATS > 1) {
    for (; i + VECTOR_FLOATS <= end; i += VECTOR_FLOATS) step(VectorAt{i});
  }
  for (; i < end; i++) step(ScalarAt{i});
}

// out[i] = value(at i) for i from `begin` up to `end`. `out` may be a row that the value reads, since it reads no other place of it.
template <typename Value>
LOCKSTEP_BODY void map_row(float* out, int64 begin, int64 end, const Value& value) {
  each_in_row(begin, end, [&](auto at) LOCKSTEP_INLINE { at.store(out, value(at)); });
}

LOCKSTEP_BODY float total_of(const Lanes& lanes) {
#ifdef LOCKSTEP_ON_DEVICE
  Lanes sums = lanes;
  LOCKSTEP_UNROLL
  for (int l = 0; l < 8; l++) sums.part[l] = sums.part[l] + sums.part[l + 8];
  LOCKSTEP_UNROLL
  for (int l = 0; l < 4; l++) sums.part[l] = sums.part[l] + sums.part[l + 4];
  return (sums.part[0] + sums.part[2]) + (sums.part[1] + sums.part[3]);
#else
  typedef float Four __attribute__((vector_size(16)));
  Four quarter[4];
  __builtin_memcpy(quarter, &lanes, sizeof(quarter));
  const Four sums = (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
#endif
}

// Adds x[l] * w[l] to the first `count` lanes, fewer than all.
LOCKSTEP_BODY void add_rest(Lanes& sums, const float* x, const float* w, int64 count) {
#ifdef LOCKSTEP_ON_DEVICE
  LOCKSTEP_UNROLL
  for (int64 l = 0; l < SUM_LANES; l++) {
    if (l < count) sums.part[l] = sums.part[l] + x[l] * w[l];
  }
#else
  // A lane without an element adds +0, which changes no sum that began at +0.
  alignas(64) float rest[SUM_LANES] = {};
  for (int64 l = 0; l < count; l++) rest[l] = x[l] * w[l];
  LOCKSTEP_UNROLL
  for (int64 p = 0; p < PARTS; p++) sums.part[p] += load_vector(rest + p * VECTOR_FLOATS);
#endif
}

// The sum of value(at i) for i below count.
template <typename Value>
LOCKSTEP_BODY float sum_row(int64 count, const Value& value) {
  Lanes sums = {};
#ifdef LOCKSTEP_ON_DEVICE
  for (int64 i = 0; i < count; i += SUM_LANES) {
    LOCKSTEP_UNROLL
    for (int64 l = 0; l < SUM_LANES; l++) {
      if (i + l < count) sums.part[l] = sums.part[l] + value(ScalarAt{i + l});
    }
  }
#else
  int64 i = 0;
  for (; i + SUM_LANES <= count; i += SUM_LANES) {
    LOCKSTEP_UNROLL
    for (int64 p = 0; p < PARTS; p++) sums.part[p] += value(VectorAt{i + p * VECTOR_FLOATS});
  }
  if (i < count) {
    alignas(64) float rest[SUM_LANES] = {};
    for (int64 l = 0; i + l < count; l++) rest[l] = value(ScalarAt{i + l});
    LOCKSTEP_UNROLL
    for (int64 p = 0; p < PARTS; p++) sums.part[p] += load_vector(rest + p * VECTOR_FLOATS);
  }
#endif
  return total_of(sums);
}

// How many i below count have a true test(at i).
template <typename Test>
LOCKSTEP_BODY int64 count_row(int64 count, const Test& test) {
  int64 found = 0;
  int64 i = 0;
#ifndef LOCKSTEP_ON_DEVICE
  typedef int Ints __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
  Ints sums = {};
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) sums -= test(VectorAt{i});
  for (int64 l = 0; l < VECTOR_FLOATS; l++) found += sums[l];
#endif
  for (; i < count; i++) found += test(ScalarAt{i}) ? 1 : 0;
  return found;
}

// Calls each(i, value(at i)) for i below count, in order, until it answers false.
template <typename Value, typename Each>
LOCKSTEP_BODY void walk_row(int64 count, const Value& value, const Each& each) {
  int64 i = 0;
#ifndef LOCKSTEP_ON_DEVICE
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    const Vector values = value(VectorAt{i});
    for (int64 l = 0; l < VECTOR_FLOATS; l++) {
      if (!each(i + l, values[l])) return;
    }
  }
#endif
  for (; i < count; i++) {
    if (!each(i, value(ScalarAt{i}))) return;
  }
}

}  // namespace lockstep
