#include "attend.h"

#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t {
  QKV,
  CACHE,
  BLOCK_TABLE,
  POSITIONS,
  TOKEN_TO_REQUEST,
  OUT,
  N,
  REQUESTS,
  TABLE_WIDTH,
  BLOCK_SIZE,
  PITCH,
  HEADS,
  KV_HEADS,
  HEAD_DIM,
  WINDOW,
  SCALE_BITS,
};

constexpr lockstep_argument arguments[] = {{"qkv", LOCKSTEP_IN, 4},
                                           {"cache", LOCKSTEP_IN, 4},
                                           {"blockTable", LOCKSTEP_IN, 4},
                                           {"positions", LOCKSTEP_IN, 8},
                                           {"tokenToRequest", LOCKSTEP_IN, 4},
                                           {"out", LOCKSTEP_OUT, 4},
                                           {"n", LOCKSTEP_I32, 0},
                                           {"requests", LOCKSTEP_I32, 0},
                                           {"tableWidth", LOCKSTEP_I32, 0},
                                           {"blockSize", LOCKSTEP_I32, 0},
                                           {"pitch", LOCKSTEP_I32, 0},
                                           {"heads", LOCKSTEP_I32, 0},
                                           {"kvHeads", LOCKSTEP_I32, 0},
                                           {"headDim", LOCKSTEP_I32, 0},
                                           {"window", LOCKSTEP_I32, 0},
                                           {"scaleBits", LOCKSTEP_I32, 0}};

// The body divides positions in 32 bits.
constexpr int64_t MOST_POSITIONS = int64_t{1} << 32;

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (refuse_any_below(arguments, a, {N, REQUESTS, TABLE_WIDTH, WINDOW}, 0, error) != 0) return 1;
  if (refuse_any_below(arguments, a, {BLOCK_SIZE, HEADS, KV_HEADS, HEAD_DIM}, 1, error) != 0) return 1;
  if (a[HEADS].scalar % a[KV_HEADS].scalar != 0) {
    return refuse(error, "heads is %lld, no multiple of %lld kvHeads", static_cast<long long>(a[HEADS].scalar),
                  static_cast<long long>(a[KV_HEADS].scalar));
  }
  if (a[TABLE_WIDTH].scalar > MOST_POSITIONS / a[BLOCK_SIZE].scalar) {
    return refuse(error, "tableWidth is %lld; give at most %lld columns of %lld tokens, for 2^32 positions", static_cast<long long>(a[TABLE_WIDTH].scalar),
                  static_cast<long long>(MOST_POSITIONS / a[BLOCK_SIZE].scalar), static_cast<long long>(a[BLOCK_SIZE].scalar));
  }
  const int64_t width = a[HEADS].scalar * a[HEAD_DIM].scalar;
  if (refuse_below("pitch", a[PITCH].scalar, width, error) != 0) return 1;
  required[QKV] = float_bytes(a[N].scalar, a[PITCH].scalar);
  required[BLOCK_TABLE] = bytes_of(a[REQUESTS].scalar * a[TABLE_WIDTH].scalar, 4);
  required[POSITIONS] = bytes_of(a[N].scalar, 8);
  required[TOKEN_TO_REQUEST] = bytes_of(a[N].scalar, 4);
  required[OUT] = float_bytes(a[N].scalar, width);
  return 0;
}

int64_t items(const lockstep_value* a) {
  return bytes_of(a[N].scalar * a[HEADS].scalar, pieces_of(a[HEAD_DIM].scalar, HEAD_PIECE));
}

// What requests hold is not known here: as of one chunk each.
int64_t work(const lockstep_value* a) {
  return bytes_of(a[N].scalar * a[HEADS].scalar, bytes_of(a[HEAD_DIM].scalar, 2 * CHUNK));
}

}  // namespace

KernelInfo attend_info() { return kernel_info("attend", arguments, check, items, work); }

}  // namespace lockstep
