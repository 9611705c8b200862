#pragma once

#include <string>
#include <vector>

#include "driver.h"

namespace lockstep {

// What was tried, and the step of it that failed: dlopen, error names, version, symbols, init, devices.
struct LoadAttempt {
  std::string library;
  std::string step;
  std::string reason;
};

// A vendor's driver in this process. Never closed again: a driver may have threads of its own.
struct DriverLibrary {
  Vendor vendor;
  Driver table;
  // The file that answered.
  std::string path;
  // As the driver counts: CUDA 1000 * major + 10 * minor, HIP 10^7 * major + 10^5 * minor + patch.
  int driver_version = 0;
  // HIP only; 0 where the library does not say.
  int runtime_version = 0;
  int device_count = 0;
};

// The oldest drivers that serve. CUDA 11.4 (driver 470) brought cuGraphInstantiateWithFlags, the newest of the required functions.
// HIP 5.2 has those that HIP requires, but not hipGraphUpload, and graphs of HIP 5 that launched one kernel twice shared its
// arguments (ROCm/hip#2550).
constexpr int CUDA_FLOOR = 11040;
constexpr int HIP_FLOOR = 60000000;

// Loads the vendor's driver, once it can be used for the whole process. Null where it cannot; the next call tries again. `attempts`
// receives each library that was tried in vain, and why, also where a later one answered. The library is the one that
// LOCKSTEP_CUDA_LIB or LOCKSTEP_HIP_LIB names, and no other; without it the known names in turn, newest first.
const DriverLibrary* load_driver(Vendor vendor, std::vector<LoadAttempt>* attempts);

// The environment variable that names the vendor's library.
const char* library_variable(Vendor vendor);
// What to try, in this order.
std::vector<std::string> library_names(Vendor vendor);
// The environment variables by which the vendor's driver hides devices.
std::vector<const char*> visibility_variables(Vendor vendor);

// "12.8" and "6.3.42131": a version as people write it.
std::string version_text(Vendor vendor, int version);

}  // namespace lockstep
