#pragma once

#include "report.h"

namespace lockstep {

// A kernel's body, compiled for the host. `parameters` points to what a driver's launch would copy: of a buffer a pointer and
// its bytes (i64), of a scalar an i32 or i64, and last the address of the report.
using Body = void (*)(Grid grid, void* const* parameters);

// The bodies by Kernel, for the processors that every build runs on, and for newer ones (cpu.h). All give the same bits.
extern const Body BASE_BODIES[KERNEL_COUNT];
#ifdef __x86_64__
extern const Body AVX2_BODIES[KERNEL_COUNT];
extern const Body AVX512_BODIES[KERNEL_COUNT];
#endif

// Of those that serve here.
Body body_of(Kernel kernel);

// By the name of an entry point of device.cu, such as lockstep_copy; null if there is none.
Body find_body(const char* entry);

}  // namespace lockstep
