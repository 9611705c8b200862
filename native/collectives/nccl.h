#pragma once

#include <climits>
#include <cstddef>
#include <cstdint>

namespace lockstep {

// What ranks of one communicator share: made by one, given to all.
struct NcclUniqueId {
  char bytes[128];
};
static_assert(sizeof(NcclUniqueId) == 128);

// How a communicator is made. Libraries add fields at the end and read those that `version` had: state 2.18 to newer ones too, since
// this struct's tail padding lies where their next field is.
struct NcclConfig {
  size_t size = sizeof(NcclConfig);
  unsigned magic = 0xcafebeef;
  unsigned version = 21800;
  // 0: calls return before they are done, with NCCL_IN_PROGRESS.
  int blocking = INT_MIN;
  int cga_cluster_size = INT_MIN;
  int min_ctas = INT_MIN;
  int max_ctas = INT_MIN;
  const char* net_name = nullptr;
  int split_share = INT_MIN;
};
static_assert(sizeof(NcclConfig) == 48);

enum NcclResult : int {
  NCCL_SUCCESS = 0,
  NCCL_UNHANDLED_DRIVER_ERROR = 1,
  NCCL_SYSTEM_ERROR = 2,
  NCCL_INTERNAL_ERROR = 3,
  NCCL_INVALID_ARGUMENT = 4,
  NCCL_INVALID_USAGE = 5,
  NCCL_REMOTE_ERROR = 6,
  NCCL_IN_PROGRESS = 7,
};

enum NcclType : int {
  NCCL_INT8 = 0,
  NCCL_UINT8 = 1,
  NCCL_INT32 = 2,
  NCCL_UINT32 = 3,
  NCCL_INT64 = 4,
  NCCL_UINT64 = 5,
  NCCL_FLOAT16 = 6,
  NCCL_FLOAT32 = 7,
  NCCL_FLOAT64 = 8,
  NCCL_BFLOAT16 = 9,
};

enum NcclOp : int { NCCL_SUM = 0, NCCL_PRODUCT = 1, NCCL_MAX = 2, NCCL_MIN = 3, NCCL_AVERAGE = 4 };

// NCCL or RCCL, filled from a library that is opened at run time.
struct Nccl {
#define ROW(field, result, parameters, symbol, need) result(*field) parameters = nullptr;
#include "nccl-symbols.inc"
#undef ROW
};

}  // namespace lockstep
