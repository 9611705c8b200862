/* Kernels of one's own for the host device: cc -shared -fPIC -I node_modules/lockstep/native/include kernels.c -o kernels.so */
#include "lockstep-kernels.h"

#include <stddef.h>
#include <stdio.h>

static const lockstep_argument scale_arguments[] = {
    {"x", LOCKSTEP_IN, 4}, {"y", LOCKSTEP_OUT, 4}, {"n", LOCKSTEP_I32, 0}, {"factor", LOCKSTEP_I32, 0}};

/* At the launch, on the caller's thread: how many bytes each buffer must have, and what is refused. */
static int32_t scale_check(const lockstep_value* a, int64_t* required, lockstep_error* error) {
  if (a[2].scalar < 0) {
    snprintf(error->message, sizeof(error->message), "n is %lld; it must not be negative", (long long)a[2].scalar);
    return 1;
  }
  required[0] = required[1] = a[2].scalar * 4;
  return 0;
}

/* On the stream's thread, or when a graph that captured it is launched. */
static int32_t scale_run(const lockstep_value* a, lockstep_error* error) {
  const int32_t* x = a[0].address;
  int32_t* y = a[1].address;
  (void)error;
  for (int64_t i = 0; i < a[2].scalar; i++) y[i] = (int32_t)(x[i] * a[3].scalar);
  return 0;
}

static const lockstep_kernel kernels[] = {{"scale", 4, scale_arguments, scale_check, scale_run, NULL}};
static const lockstep_kernel_table table = {LOCKSTEP_KERNEL_ABI, 1, kernels};

__attribute__((visibility("default"))) const lockstep_kernel_table* lockstep_kernels(void) { return &table; }
