#pragma once

namespace lockstep {

// The drivers' numbers by name. Those that the vendors share are `driver_constant::x`; of the others a vendor's own is
// `cuda_constant::x` or `hip_constant::x`.
namespace driver_constant {
#define SAME(name, value, cuda, hip) constexpr int name = value;
#define EACH(name, cuda_value, cuda, hip_value, hip)
#include "driver-constants.inc"
#undef SAME
#undef EACH
}  // namespace driver_constant

namespace cuda_constant {
#define SAME(name, value, cuda, hip) constexpr int name = value;
#define EACH(name, cuda_value, cuda, hip_value, hip) constexpr int name = cuda_value;
#include "driver-constants.inc"
#undef SAME
#undef EACH
}  // namespace cuda_constant

namespace hip_constant {
#define SAME(name, value, cuda, hip) constexpr int name = value;
#define EACH(name, cuda_value, cuda, hip_value, hip) constexpr int name = hip_value;
#include "driver-constants.inc"
#undef SAME
#undef EACH
}  // namespace hip_constant

}  // namespace lockstep
