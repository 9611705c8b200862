#include "gpu-backend.h"

namespace lockstep {

std::unique_ptr<Backend> create_gpu_backend(const DriverLibrary& driver, int) {
  throw DeviceError("ERR_DEVICE_UNAVAILABLE", std::string("This build drives no ") + vendor_name(driver.vendor) + " card yet.");
}

}  // namespace lockstep
