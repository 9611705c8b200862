// Our declarations of HIP's runtime against its own header; rows.inc as in cuda.cc.

#define __HIP_PLATFORM_AMD__
// Without the overloads for C++, which would make names ambiguous.
#define __HIP_DISABLE_CPP_FUNCTIONS__
#include <hip/hip_runtime_api.h>

#include "alike.h"

#define VENDOR_ROW(field, parameters, symbol) \
  static_assert(abi::Signatures<int parameters, decltype(symbol)>::alike, "row " #field " is not the vendor's " #symbol);
#include "rows.inc"

// Stands for an identifier that this vendor does not have.
enum { none = -1 };

// What the test of this check adds to each constant.
#ifndef ADDED
#define ADDED 0
#endif

#define SAME(name, value, cuda, hip) static_assert(static_cast<int>(hip) == value + ADDED, #name " is not the vendor's " #hip);
#define EACH(name, cuda_value, cuda, hip_value, hip) \
  static_assert(static_cast<int>(hip) == none || static_cast<int>(hip) == hip_value + ADDED, #name " is not the vendor's " #hip);
#include "gpu/driver-constants.inc"

using abi::Signatures;
static_assert(Signatures<const char*(int), decltype(hipGetErrorName)>::alike);
static_assert(Signatures<const char*(int), decltype(hipGetErrorString)>::alike);
