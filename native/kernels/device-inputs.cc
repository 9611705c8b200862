#include <algorithm>

#include "kernel-info.h"

namespace lockstep {

namespace {

enum : int32_t {
  SOURCE,
  BASE,
  ACCEPTED,
  SAMPLED,
  DRAFTS,
  QUERY_START_LOC,
  TOKEN_TO_REQUEST,
  BLOCK_TABLE,
  INPUT_IDS,
  POSITIONS,
  SLOTS,
  SEQ_LENS,
  REQUESTS,
  TOKENS,
  MAX_DRAFTS,
  TABLE_WIDTH,
  BLOCK_SIZE,
  PADDED_SEQ_LEN,
  CP_SIZE,
  CP_RANK,
  CP_INTERLEAVE,
  FIRST_PLACE,
};

constexpr lockstep_argument arguments[] = {{"source", LOCKSTEP_IN, 4},
                                           {"base", LOCKSTEP_IN, 4},
                                           {"accepted", LOCKSTEP_IN, 4},
                                           {"sampled", LOCKSTEP_IN, 4},
                                           {"drafts", LOCKSTEP_IN, 4},
                                           {"queryStartLoc", LOCKSTEP_IN, 4},
                                           {"tokenToRequest", LOCKSTEP_IN, 4},
                                           {"blockTable", LOCKSTEP_IN, 4},
                                           {"inputIds", LOCKSTEP_INOUT, 4},
                                           {"positions", LOCKSTEP_INOUT, 8},
                                           {"slots", LOCKSTEP_INOUT, 8},
                                           {"seqLens", LOCKSTEP_INOUT, 4},
                                           {"requests", LOCKSTEP_I32, 0},
                                           {"tokens", LOCKSTEP_I32, 0},
                                           {"maxDrafts", LOCKSTEP_I32, 0},
                                           {"tableWidth", LOCKSTEP_I32, 0},
                                           {"blockSize", LOCKSTEP_I32, 0},
                                           {"paddedSeqLen", LOCKSTEP_I32, 0},
                                           {"contextParallelSize", LOCKSTEP_I32, 0},
                                           {"contextParallelRank", LOCKSTEP_I32, 0},
                                           {"interleaveSize", LOCKSTEP_I32, 0},
                                           {"firstPlace", LOCKSTEP_I32, 0}};

int32_t check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  for (const int32_t scalar : {REQUESTS, TOKENS, MAX_DRAFTS, TABLE_WIDTH, PADDED_SEQ_LEN, CP_RANK, FIRST_PLACE}) {
    if (refuse_below(arguments[scalar].name, a[scalar].scalar, 0, error) != 0) return 1;
  }
  for (const int32_t scalar : {BLOCK_SIZE, CP_SIZE, CP_INTERLEAVE}) {
    if (refuse_below(arguments[scalar].name, a[scalar].scalar, 1, error) != 0) return 1;
  }
  if (a[CP_RANK].scalar >= a[CP_SIZE].scalar) {
    return refuse(error, "contextParallelRank is %lld of %lld", static_cast<long long>(a[CP_RANK].scalar),
                  static_cast<long long>(a[CP_SIZE].scalar));
  }
  const int64_t requests = a[REQUESTS].scalar;
  const int64_t tokens = a[TOKENS].scalar;
  for (const int32_t buffer : {SOURCE, BASE, SEQ_LENS}) required[buffer] = bytes_of(requests, 4);
  for (const int32_t buffer : {TOKEN_TO_REQUEST, INPUT_IDS}) required[buffer] = bytes_of(tokens, 4);
  for (const int32_t buffer : {POSITIONS, SLOTS}) required[buffer] = bytes_of(tokens, 8);
  required[QUERY_START_LOC] = bytes_of(requests + 1, 4);
  required[BLOCK_TABLE] = bytes_of(requests * a[TABLE_WIDTH].scalar, 4);
  return 0;
}

int64_t items(const lockstep_value* a) { return std::max(a[REQUESTS].scalar, a[TOKENS].scalar); }

}  // namespace

KernelInfo device_inputs_info() { return kernel_info("device_inputs", arguments, check, items); }

}  // namespace lockstep
