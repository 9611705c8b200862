#pragma once

#include <string>
#include <vector>

#include "driver.h"

namespace lockstep {

enum class Vendor : uint8_t { cuda, hip };

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

// Loads the vendor's driver at the first call in a process, whatever came of it. Null where it cannot be used. `attempts`
// receives each library that was tried in vain, and why, also where a later one answered.
const DriverLibrary* load_driver(Vendor vendor, std::vector<LoadAttempt>* attempts);

}  // namespace lockstep
