#pragma once

#include <memory>

#include "core/backend.h"
#include "load-driver.h"

namespace lockstep {

// The card `ordinal` of the driver as a device. Throws ERR_DEVICE_UNAVAILABLE where it cannot be used.
std::unique_ptr<Backend> create_gpu_backend(const DriverLibrary& driver, int ordinal);

}  // namespace lockstep
