#pragma once

#include <string>
#include <vector>

#include "bodies.h"

namespace lockstep {

// What the host's kernels run with.
struct CpuChoice {
  // The instruction set: "v2", "avx2" or "avx512"; "base" where the processor is no x86-64.
  const char* name;
  const Body* bodies;
  // Threads that a large launch is shared out to, its stream's own included.
  int threads;
  // The instruction sets that this processor has, the least first.
  std::vector<const char*> supported;
  // Why LOCKSTEP_CPU or LOCKSTEP_THREADS cannot be followed, with the variable's name; empty where they can. Then the best is taken.
  std::string mistake;
  std::string variable;
};

// The best that this processor has, or what LOCKSTEP_CPU and LOCKSTEP_THREADS say; read at the first call in a process.
const CpuChoice& cpu_choice();

}  // namespace lockstep
