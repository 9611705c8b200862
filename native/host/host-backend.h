#pragma once

#include <memory>

#include "core/backend.h"

namespace lockstep {

// Kernels in C++ on CPU threads.
std::unique_ptr<Backend> create_host_backend();

}  // namespace lockstep
