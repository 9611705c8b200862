#pragma once

#include "gpu-device.h"

namespace lockstep {

// Both throw ERR_DEVICE_MEMORY with the bytes that are free.
std::unique_ptr<Memory> allocate_gpu_memory(std::shared_ptr<GpuDevice> device, size_t bytes);

// Pinned memory that kernels reach at `device`.
struct GpuStaging final : Staging {
  explicit GpuStaging(std::shared_ptr<GpuDevice> owner) : owner(std::move(owner)) { pinned = true; }
  ~GpuStaging() override;

  const std::shared_ptr<GpuDevice> owner;
  uint64_t device = 0;
};

std::unique_ptr<GpuStaging> allocate_gpu_staging(std::shared_ptr<GpuDevice> device, size_t bytes);

DeviceBytes free_gpu_bytes(GpuDevice& device);

}  // namespace lockstep
