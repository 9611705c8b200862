#include "gpu-backend.h"

#include <cstdlib>
#include <utility>

#include "arena.h"
#include "cards.h"
#include "image.h"
#include "memory.h"
#include "module.h"
#include "stream.h"

namespace lockstep {

namespace {

DeviceFacts facts_of(const DriverLibrary& library, const Card& card) {
  DeviceFacts facts;
  facts.kind = library.vendor == Vendor::cuda ? "cuda" : "hip";
  facts.name = card.name;
  facts.arch = card.arch;
  facts.warp = card.warp;
  facts.driver_version = library.driver_version;
  facts.pci = card.pci;
  return facts;
}

class GpuBackend final : public Backend {
 public:
  GpuBackend(const DriverLibrary& library, const Card& card, std::string hip_image)
      : facts_(facts_of(library, card)),
        device_(std::make_shared<GpuDevice>(GpuContext::of(library, card.ordinal), card.processors)) {
    device_->hip_image = std::move(hip_image);
    try {
      device_->start();
      device_->builtin = load_builtin_kernels(device_);
    } catch (DeviceError& error) {
      device_->stop();
      std::string kinds;
      for (const Detail& kind : device_->given_up()) {
        kinds += (kinds.empty() ? "" : ", ") + std::to_string(static_cast<int64_t>(std::get<double>(kind.value))) + " " + kind.name;
      }
      if (!kinds.empty()) error.details.emplace_back("givenUp", kinds);
      throw;
    } catch (...) {
      device_->stop();
      throw;
    }
  }
  ~GpuBackend() override { device_->stop(); }

  const DeviceFacts& facts() const override { return facts_; }
  DeviceBytes free_bytes() override { return free_gpu_bytes(*device_); }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return allocate_gpu_memory(device_, bytes); }
  std::unique_ptr<Staging> allocate_staging(size_t bytes) override { return allocate_gpu_staging(device_, bytes); }
  std::unique_ptr<ArenaPin> pin_arena(std::byte* address, size_t bytes) override { return pin_gpu_arena(device_, address, bytes); }
  std::shared_ptr<StreamBackend> create_stream(int priority) override { return std::make_shared<GpuStream>(device_, priority); }
  std::unique_ptr<Module> load_module(const std::string* path) override {
    if (path == nullptr) return load_builtin_kernels(device_);
    throw DeviceError("ERR_LAUNCH_INVALID",
                      "A shared library of kernels runs on the host device alone; load an image for the GPU instead.",
                      {{"path", *path}});
  }
  std::shared_ptr<GpuDevice> gpu() const override { return device_; }
  std::unique_ptr<Module> load_image(std::string image, const std::string& name) override {
    return load_gpu_image(device_, image, name);
  }
  void close() override { device_->stop(); }
  std::shared_ptr<const Failure> lost() const override { return device_->lost(); }
  std::shared_ptr<const Failure> failure() const override { return device_->failure(); }
  std::vector<Detail> given_up() const override { return device_->given_up(); }

 private:
  const DeviceFacts facts_;
  const std::shared_ptr<GpuDevice> device_;
};

}  // namespace

std::unique_ptr<Backend> create_gpu_backend(const DriverLibrary& driver, int ordinal, const HipKernels& kernels) {
  const Card card = describe_card(driver, ordinal);
  const char* const named = std::getenv(HIP_IMAGE_VARIABLE);
  const bool needed = driver.vendor == Vendor::hip && kernels != nullptr && (named == nullptr || *named == '\0');
  return std::make_unique<GpuBackend>(driver, card, needed ? kernels(card.arch) : "");
}

}  // namespace lockstep
