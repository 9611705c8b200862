#pragma once

#include <string>

#include "core/backend.h"

namespace lockstep {

std::shared_ptr<Module> builtin_host_module();
// Throws ERR_LAUNCH_INVALID for a file that cannot be loaded or whose table is not one.
std::shared_ptr<Module> load_host_module(const std::string& path);

}  // namespace lockstep
