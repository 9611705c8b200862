/*
 * The C ABI of kernels of the host backend. A shared library exports one function, lockstep_kernels(), which returns
 * its table; the table and all it points to live as long as the process (a library is never unloaded).
 */
#ifndef LOCKSTEP_KERNELS_H
#define LOCKSTEP_KERNELS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LOCKSTEP_KERNEL_ABI 2
#define LOCKSTEP_MAX_ARGUMENTS 32

enum lockstep_argument_kind {
  LOCKSTEP_IN = 0,
  LOCKSTEP_OUT = 1,
  LOCKSTEP_INOUT = 2,
  LOCKSTEP_I32 = 3,
  LOCKSTEP_I64 = 4
};

typedef struct lockstep_argument {
  const char* name;
  int32_t kind;
  /* Of a buffer: bytes of one element, a power of two. Offsets given at launch are multiples of it. Of a scalar: 0. */
  int32_t element_bytes;
} lockstep_argument;

typedef struct lockstep_value {
  /* Of a buffer: where the argument begins, its offset included; null in check(). */
  void* address;
  /* Of a buffer: bytes from there to the buffer's end. */
  int64_t bytes;
  /* Of a scalar: its value, sign-extended. */
  int64_t scalar;
} lockstep_value;

typedef struct lockstep_error {
  /* What went wrong, with its numbers; zero-terminated. */
  char message[240];
  /* Not null in run(): becomes nonzero when the stream is being disposed. A kernel that runs for long looks at it and returns. */
  const volatile int32_t* stop;
} lockstep_error;

typedef struct lockstep_kernel {
  const char* name;
  int32_t argument_count;
  const lockstep_argument* arguments;
  /*
   * Called at launch on the caller's thread, with every scalar and every buffer's size. Sets required_bytes[i] (zero at
   * entry) to the least bytes buffer argument i must have. Nonzero refuses the launch with error->message.
   */
  int32_t (*check)(const lockstep_value* arguments, int64_t* required_bytes, lockstep_error* error);
  /* Called on the stream's thread. Nonzero makes the stream fail with error->message. */
  int32_t (*run)(const lockstep_value* arguments, lockstep_error* error);
  /* How many pieces the work of a launch can be shared out into, which sizes the grid of a GPU; 0 launches nothing. Null: 1. */
  int64_t (*items)(const lockstep_value* arguments);
} lockstep_kernel;

typedef struct lockstep_kernel_table {
  int32_t abi; /* LOCKSTEP_KERNEL_ABI */
  int32_t count;
  const lockstep_kernel* kernels;
} lockstep_kernel_table;

/* What a shared library of kernels defines, with default visibility. */
const lockstep_kernel_table* lockstep_kernels(void);

#ifdef __cplusplus
}
#endif
#endif
