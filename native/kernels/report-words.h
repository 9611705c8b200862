#pragma once

#include <string>

#include "report.h"

namespace lockstep {

// What a report says, such as "slots[1] is 4, the cache has 4 slots".
std::string words_of(const Report& report);

// The name of the kernel that failed.
const char* kernel_of(const Report& report);

}  // namespace lockstep
