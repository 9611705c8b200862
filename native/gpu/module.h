#pragma once

#include <string>
#include <vector>

#include "gpu-device.h"

namespace lockstep {

// An image in the driver, and the entry points of its kernels in the order of `kernels`.
struct GpuModule final : Module {
  explicit GpuModule(std::shared_ptr<GpuDevice> owner) : owner(std::move(owner)) {}
  ~GpuModule() override;

  void* function(const lockstep_kernel& kernel) const { return functions[static_cast<size_t>(&kernel - kernels)]; }

  const std::shared_ptr<GpuDevice> owner;
  // HIP may read it until the module is unloaded.
  std::string image;
  void* handle = nullptr;
  std::vector<void*> functions;
};

// Names a file in place of what is compiled for a HIP card.
constexpr const char* HIP_IMAGE_VARIABLE = "LOCKSTEP_HIP_IMAGE";

// The kernels of this build, from the image beside the addon that the driver takes. Throws ERR_DEVICE_UNAVAILABLE where it takes
// none.
std::unique_ptr<GpuModule> load_builtin_kernels(std::shared_ptr<GpuDevice> device);

}  // namespace lockstep
