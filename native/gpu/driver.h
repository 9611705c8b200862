#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

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

enum class Vendor : uint8_t { cuda, hip };

enum class Need : uint8_t { absent, optional, required };

// A row of the table, to name a function by.
enum class DriverCall : uint8_t {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) field,
#include "driver-symbols.inc"
#undef ROW
};

struct DriverSymbol {
  // Null where it is absent.
  const char* name;
  Need need;
  // Where its pointer lies in Driver.
  size_t offset;
};

// All rows as a vendor has them, in the order of DriverCall.
const std::vector<DriverSymbol>& driver_symbols(Vendor vendor);
// "cuMemAlloc_v2": for messages.
const char* symbol_name(Vendor vendor, DriverCall call);
// "CUDA" and "HIP", as people write them.
const char* vendor_name(Vendor vendor);

}  // namespace lockstep
