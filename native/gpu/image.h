#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "gpu-device.h"

namespace lockstep {

// An image that somebody else compiled. Its kernels are launched as their caller says; what the driver knows of them is checked.
class GpuImage final : public Module {
 public:
  explicit GpuImage(std::shared_ptr<GpuDevice> owner) : owner_(std::move(owner)) {}
  ~GpuImage() override;
  // Throws ERR_LAUNCH_INVALID, with the words of the driver's compiler where it has some.
  void load(const std::string& image, const std::string& name);

  size_t entry(const std::string& name) override;
  void check(const RawLaunch& launch) const override;
  // Enqueues a checked launch on a stream of the driver.
  void launch(void* stream, const RawLaunch& launch) const;

 private:
  struct Kernel {
    std::string name;
    void* function = nullptr;
    int max_threads = 0;
    // Shared memory that it has by itself.
    int shared_bytes = 0;
    // Bytes of each parameter, where the driver says.
    bool knows_parameters = false;
    std::vector<size_t> parameters;
    // What the driver was asked for so far.
    mutable unsigned dynamic_bytes = 0;
    mutable bool large_cluster = false;
  };

  std::string refuse(const std::string& image, int* code);
  void check_sizes(const Kernel& kernel, const RawLaunch& launch) const;
  void check_parameters(const Kernel& kernel, const RawLaunch& launch) const;
  void raise_limits(const Kernel& kernel, const RawLaunch& launch) const;

  const std::shared_ptr<GpuDevice> owner_;
  // HIP may read it until the module is unloaded.
  std::string image_;
  void* handle_ = nullptr;
  int max_shared_ = 0;
  std::deque<Kernel> kernels_;
};

std::unique_ptr<Module> load_gpu_image(std::shared_ptr<GpuDevice> device, const std::string& image, const std::string& name);

}  // namespace lockstep
