#ifdef __x86_64__
#include <cstddef>
#include <utility>

// Up to the end of the file, where templates are made.
#pragma GCC target("avx2")
#define LOCKSTEP_BODIES AVX2_BODIES
#define LOCKSTEP_VECTOR_BYTES 32
#include "body-table.h"
#endif
