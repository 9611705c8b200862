#pragma once

#include <cstddef>
#include <cstdint>

namespace lockstep {

// A GPU driver as the gpu/ backend sees it: one table of functions for CUDA's driver API and for HIP's runtime, filled from a
// library that is opened at run time. Nothing is linked, and no vendor header is included.
struct Driver {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) int(*field) parameters = nullptr;
#include "driver-symbols.inc"
#undef ROW

  // The two vendors return an error's name each in its own way.
  int (*cuda_error_name)(int code, const char** name) = nullptr;
  int (*cuda_error_text)(int code, const char** text) = nullptr;
  const char* (*hip_error_name)(int code) = nullptr;
  const char* (*hip_error_text)(int code) = nullptr;
};

enum class Need : uint8_t { absent, optional, required };

}  // namespace lockstep
