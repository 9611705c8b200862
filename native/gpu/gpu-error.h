#pragma once

#include <string>

#include "core/error.h"
#include "load-driver.h"

namespace lockstep {

// What the driver calls a code, and its number: "CUDA_ERROR_NO_DEVICE (100)".
std::string code_name(Vendor vendor, const Driver& table, int code);
// The same with what it means: the driver's own words, and where they do not help ours.
std::string code_text(Vendor vendor, const Driver& table, int code);

// Whether nothing works any more after this code in the whole process: the context is dead, on CUDA and HIP alike.
bool is_sticky(int code);
// Whether the code may tell of work enqueued earlier, whatever function reports it.
bool is_asynchronous(int code);

// What a driver function's code is to JS: ERR_DEVICE_LOST where it is sticky, ERR_DEVICE_MEMORY, ERR_DEVICE_CAPTURE,
// ERR_DEVICE_UNAVAILABLE, ERR_LAUNCH_INVALID for images and kernels, else ERR_DEVICE_DRIVER. `doing` completes "The driver
// failed ...", "to allocate 64 bytes" for example. Details: driver, function, driverCode, driverName.
DeviceError driver_error(const DriverLibrary& driver, DriverCall call, int code, const std::string& doing = "");

// Throws it unless the code is success.
inline void check_driver(const DriverLibrary& driver, DriverCall call, int code, const char* doing = "") {
  if (code != 0) throw driver_error(driver, call, code, doing);
}

}  // namespace lockstep
