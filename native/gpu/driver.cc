#include "driver.h"

namespace lockstep {

const std::vector<DriverSymbol>& driver_symbols(Vendor vendor) {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) {cuda, Need::cuda_need, offsetof(Driver, field)},
  static const auto* const of_cuda = new std::vector<DriverSymbol>{
#include "driver-symbols.inc"
  };
#undef ROW
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) {hip, Need::hip_need, offsetof(Driver, field)},
  static const auto* const of_hip = new std::vector<DriverSymbol>{
#include "driver-symbols.inc"
  };
#undef ROW
  return vendor == Vendor::cuda ? *of_cuda : *of_hip;
}

const char* symbol_name(Vendor vendor, DriverCall call) {
  const char* const name = driver_symbols(vendor)[static_cast<size_t>(call)].name;
  return name != nullptr ? name : "a function that the driver lacks";
}

const char* vendor_name(Vendor vendor) { return vendor == Vendor::cuda ? "CUDA" : "HIP"; }

}  // namespace lockstep
