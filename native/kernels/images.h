#pragma once

#include <string>

namespace lockstep {

// What npm run build:kernels makes of device.cu, by its files in the folder `kernels` beside the addon's, or beside the addon itself; kernels.json there says what each holds.
constexpr const char* CUDA_IMAGE = "lockstep.fatbin";
// PTX that drivers too old for CUDA_IMAGE compile: what to load where a driver refuses that one.
constexpr const char* OLD_CUDA_IMAGE = "lockstep-old.ptx";
// For hiprtc.
constexpr const char* HIP_SOURCE = "lockstep.hip";

// The bytes of one of these; the string's own zero ends a text. Throws ERR_DEVICE_UNAVAILABLE with the path if it is not there.
std::string read_kernel_image(const char* file);

}  // namespace lockstep
