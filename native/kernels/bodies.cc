#include "bodies.h"

#include <cstring>

#include "cpu.h"

namespace lockstep {

Body body_of(Kernel kernel) { return cpu_choice().bodies[kernel]; }

Body find_body(const char* entry) {
  static const char* const entries[] = {
#define LOCKSTEP_KERNEL(name) "lockstep_" #name,
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  };
  for (int kernel = 0; kernel < KERNEL_COUNT; kernel++) {
    if (std::strcmp(entries[kernel], entry) == 0) return body_of(static_cast<Kernel>(kernel));
  }
  return nullptr;
}

}  // namespace lockstep
