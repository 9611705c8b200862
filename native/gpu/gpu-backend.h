#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/backend.h"
#include "load-driver.h"

namespace lockstep {

// Gives the image of this build's kernels for a HIP card by its target. May be empty.
using HipKernels = std::function<std::string(const std::string& arch)>;

// The card `ordinal` of the driver as a device. `kernels` is called for a HIP card, unless LOCKSTEP_HIP_IMAGE names an image. Throws
// ERR_DEVICE_UNAVAILABLE where the card cannot be used.
std::unique_ptr<Backend> create_gpu_backend(const DriverLibrary& driver, int ordinal, const HipKernels& kernels);

}  // namespace lockstep
