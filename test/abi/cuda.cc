// Our declarations of CUDA's driver against its own header. rows.inc is made of native/gpu/driver-symbols.inc by abi.test.ts, with
// symbols as identifiers: VENDOR_ROW(field, (parameters), symbol).

// Declares the former versions of functions too, which is what our table names.
#define __CUDA_API_VERSION_INTERNAL
#include <cuda.h>

#include "alike.h"
#include "gpu/launch-config.h"

#define VENDOR_ROW(field, parameters, symbol) \
  static_assert(abi::Signatures<int parameters, decltype(symbol)>::alike, "row " #field " is not the vendor's " #symbol);
#include "rows.inc"

// What the test of this check adds to each constant.
#ifndef ADDED
#define ADDED 0
#endif

#define SAME(name, value, cuda, hip) static_assert(static_cast<int>(cuda) == value + ADDED, #name " is not the vendor's " #cuda);
#define EACH(name, cuda_value, cuda, hip_value, hip) SAME(name, cuda_value, cuda, hip)
#include "gpu/driver-constants.inc"

using abi::Signatures;
static_assert(Signatures<int(int, const char**), decltype(cuGetErrorName)>::alike);
static_assert(Signatures<int(int, const char**), decltype(cuGetErrorString)>::alike);

using Config = lockstep::LaunchConfig;
static_assert(sizeof(Config) == sizeof(CUlaunchConfig));
static_assert(offsetof(Config, grid) == offsetof(CUlaunchConfig, gridDimX));
static_assert(offsetof(Config, block) == offsetof(CUlaunchConfig, blockDimX));
static_assert(offsetof(Config, shared_bytes) == offsetof(CUlaunchConfig, sharedMemBytes));
static_assert(offsetof(Config, stream) == offsetof(CUlaunchConfig, hStream));
static_assert(offsetof(Config, attributes) == offsetof(CUlaunchConfig, attrs));
static_assert(offsetof(Config, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
using Attribute = lockstep::LaunchAttribute;
static_assert(sizeof(Attribute) == sizeof(CUlaunchAttribute));
static_assert(offsetof(Attribute, value.cluster) == offsetof(CUlaunchAttribute, value.clusterDim));
static_assert(offsetof(Attribute, value.flag) == offsetof(CUlaunchAttribute, value.cooperative));
