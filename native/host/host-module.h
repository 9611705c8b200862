#pragma once

#include <string>

#include "host-captures.h"

namespace lockstep {

std::unique_ptr<Module> builtin_host_module(std::shared_ptr<HostCaptures> captures);
// Throws ERR_LAUNCH_INVALID for a file that cannot be loaded or whose table is not one.
std::unique_ptr<Module> load_host_module(const std::string& path, std::shared_ptr<HostCaptures> captures);

}  // namespace lockstep
