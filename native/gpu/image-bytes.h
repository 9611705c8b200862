#pragma once

#include <string>

#include "driver.h"

namespace lockstep {

// Why a driver must not be given these bytes as an image: they are of no kind that the vendor takes, or end before their own headers
// say. A driver is given no length, and reads on. Empty where they may be given.
std::string mistake_of_image(Vendor vendor, const std::string& image);

}  // namespace lockstep
