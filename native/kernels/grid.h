#pragma once

// What every kernel's body is written in: builtin types alone, since hiprtc has no standard headers, and loops over a grid. A
// body uses no shared memory, no synchronisation and no warp operation, so that any grid and any order of its threads gives
// the same result. The words that differ between g++, nvcc, hiprtc and clang are all in this file.

// No call is left in a kernel: it would keep its values in memory.
#define LOCKSTEP_INLINE __attribute__((always_inline))

#if defined(__CUDACC__) || defined(__CUDA__) || defined(__HIP__)
#define LOCKSTEP_ON_DEVICE 1
#define LOCKSTEP_BODY static __device__ inline LOCKSTEP_INLINE
#define LOCKSTEP_MEMBER __device__ inline LOCKSTEP_INLINE
#else
// Of one file alone: the bodies are compiled several times, with other instructions each.
#define LOCKSTEP_BODY static inline
#define LOCKSTEP_MEMBER inline
#endif

#ifdef __clang__
#define LOCKSTEP_UNROLL _Pragma("unroll")
// A product is rounded before it is added to anything, whatever the flags say. Other compilers have a flag for it.
#pragma clang fp contract(off)
#elif defined(LOCKSTEP_ON_DEVICE)
#define LOCKSTEP_UNROLL _Pragma("unroll")
#else
#define LOCKSTEP_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lockstep {

using int64 = long long;

// Threads of a GPU that share one row of work, each with every LANES-th piece of it.
constexpr int64 LANES = 32;

// A thread takes item `index` and every `stride`-th after it. Of kernels that work on rows, an item is a lane of a row.
struct Grid {
  int64 index;
  int64 stride;
  int64 lanes;
};

// One thread that does it all, a row at a time: how the host runs a body.
constexpr Grid ONE_THREAD = {0, 1, 1};

#ifdef LOCKSTEP_ON_DEVICE
LOCKSTEP_BODY Grid grid_of_thread() {
  return {static_cast<int64>(blockIdx.x) * blockDim.x + threadIdx.x, static_cast<int64>(gridDim.x) * blockDim.x, LANES};
}
#endif

// Stores `value` where `at` holds 0; false if it did not.
LOCKSTEP_BODY bool store_first(int* at, int value) {
#if defined(LOCKSTEP_ON_DEVICE) && !defined(__clang__)
  return atomicCAS(at, 0, value) == 0;
#else
  return __sync_val_compare_and_swap(at, 0, value) == 0;
#endif
}

// Bytes that may be of any type, eight at a time.
typedef unsigned long long __attribute__((__may_alias__)) Word;

LOCKSTEP_BODY bool is_word_aligned(const void* pointer) {
  return (reinterpret_cast<unsigned long long>(pointer) & (sizeof(Word) - 1)) == 0;
}

LOCKSTEP_BODY int64 smaller(int64 a, int64 b) { return a < b ? a : b; }
LOCKSTEP_BODY int64 larger(int64 a, int64 b) { return a > b ? a : b; }
// How many pieces of `size` make up `count`, the last one perhaps a smaller one.
LOCKSTEP_BODY int64 pieces_of(int64 count, int64 size) { return (count + size - 1) / size; }

}  // namespace lockstep
