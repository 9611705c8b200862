#pragma once

#include "core/backend.h"

namespace lockstep {

// 64-byte aligned and filled with 0xA5, so that a read of what was never written shows. Throws ERR_DEVICE_MEMORY.
std::unique_ptr<Memory> allocate_host_memory(size_t bytes);

}  // namespace lockstep
