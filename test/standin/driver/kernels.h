#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace standin {

// The GPU that the library says it has: 9.0 or gfx942, or what LOCKSTEP_STANDIN_ARCH says, such as 80 or gfx90a.
struct Arch {
  int major = 0, minor = 0;
  std::string name;
};
const Arch& pretended_arch();

enum class Parameter : uint8_t { address, i32, i64 };

// A kernel as a launch sees it: its parameters in order, and its host build. A buffer is an address and its bytes (i64).
struct HostKernel {
  std::string entry;
  std::vector<Parameter> parameters;
  // Whether the last address is of the report, of 32 bytes; the others are followed by their bytes.
  bool reports = true;
  void (*run)(const char* entry, void* const* parameters, uint32_t grid, uint32_t block, uint64_t seed);
};

size_t bytes_of(Parameter kind);

// By the name of the entry point; null if there is none.
const HostKernel* find_kernel(const std::string& entry);

}  // namespace standin
