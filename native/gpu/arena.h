#pragma once

#include "gpu-device.h"

namespace lockstep {

// Gives the arena to the driver, so that the device reads and writes it by itself, and notes in the device where it lies. Memory
// that the driver does not take stays as it is, and its copies go through pinned memory.
std::unique_ptr<ArenaPin> pin_gpu_arena(std::shared_ptr<GpuDevice> device, std::byte* host, size_t bytes);

}  // namespace lockstep
