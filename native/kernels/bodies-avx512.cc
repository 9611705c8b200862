#ifdef __x86_64__
#include <cstddef>
#include <utility>

// Up to the end of the file, where templates are made.
#pragma GCC target("avx512f")
#define LOCKSTEP_BODIES AVX512_BODIES
#define LOCKSTEP_VECTOR_BYTES 64
#include "body-table.h"
#endif
