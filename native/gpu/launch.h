#pragma once

#include "module.h"

namespace lockstep {

// Enqueues a checked launch on a stream of the driver, in as many blocks as its items need. False if there is nothing to do.
bool launch_gpu_kernel(const GpuDevice& device, void* stream, const Launch& launch);

}  // namespace lockstep
