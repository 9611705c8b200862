// Our declarations of HIP's runtime compiler against its own header; rows.inc as in cuda.cc, made of native/gpu/hiprtc-symbols.inc.

#define __HIP_PLATFORM_AMD__
#include <hip/hiprtc.h>

#include "alike.h"

#define VENDOR_ROW(field, parameters, symbol) \
  static_assert(abi::Signatures<int parameters, decltype(symbol)>::alike, "row " #field " is not the vendor's " #symbol);
#include "rows.inc"

// What is not 0 is an error.
static_assert(HIPRTC_SUCCESS == 0);
