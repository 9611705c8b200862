#include "module.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "driver-constants.h"
#include "image-bytes.h"
#include "kernels/builtin.h"
#include "kernels/images.h"

namespace lockstep {

namespace {

// CUDA has all the codes that HIP has.
bool is_refusal(int code) {
  return code == driver_constant::error_invalid_image || code == driver_constant::error_no_binary ||
         code == cuda_constant::error_invalid_ptx || code == cuda_constant::error_unsupported_ptx;
}

struct Image {
  std::string name;
  std::string bytes;
};

// For HIP nothing is compiled ahead. LOCKSTEP_HIP_IMAGE names a code object, or a bundle of them, made of lockstep.hip; else the device was
// given one.
Image hip_image(const GpuDevice& device) {
  const char* const path = std::getenv(HIP_IMAGE_VARIABLE);
  Image image{"the kernels compiled for this card", device.hip_image};
  if (path != nullptr && *path != '\0') {
    std::ifstream file(path, std::ios::binary);
    image = {path, {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}};
  }
  const std::string mistake = image.bytes.empty() ? "it cannot be read, or is empty" : mistake_of_image(Vendor::hip, image.bytes);
  if (mistake.empty()) return image;
  throw DeviceError("ERR_DEVICE_UNAVAILABLE",
                    "The kernels for this GPU are not in " + image.name + ": " + mistake +
                        ". Compile lockstep.hip, which lies beside the addon, for it, and name the code object in " + HIP_IMAGE_VARIABLE + ".",
                    {{"path", image.name}, {"reason", mistake}});
}

// The one of each place, the best first: the next is read only where a driver refuses the last.
Image read_image(const GpuDevice& device, size_t place) {
  if (device.context.library.vendor == Vendor::hip) return hip_image(device);
  const char* const file = place == 0 ? CUDA_IMAGE : OLD_CUDA_IMAGE;
  return {file, read_kernel_image(file)};
}

}  // namespace

GpuModule::~GpuModule() {
  if (handle != nullptr) free_quietly(*owner, Held::modules, [&] { LOCKSTEP_DRIVE(*owner, module_unload, handle); });
}

std::unique_ptr<GpuModule> load_builtin_kernels(std::shared_ptr<GpuDevice> device) {
  const Current current(*device);
  auto module = std::make_unique<GpuModule>(device);
  std::string refusals;
  const Vendor vendor = device->context.library.vendor;
  for (size_t place = 0; place < (vendor == Vendor::cuda ? 2 : 1); place++) {
    Image image = read_image(*device, place);
    module->image = std::move(image.bytes);
    const int code = device->driver.module_load(&module->handle, module->image.data());
    if (code == 0) break;
    module->handle = nullptr;
    const DeviceError error = device->context.error(DriverCall::module_load, code, "to load " + image.name);
    if (!is_refusal(code)) throw error;
    refusals += (refusals.empty() ? "" : " ") + error.message;
  }
  if (module->handle == nullptr) {
    throw DeviceError("ERR_DEVICE_UNAVAILABLE", "No image of the kernels serves this GPU. " + refusals, {{"reason", refusals}});
  }
  const lockstep_kernel_table& table = *builtin_kernels();
  module->builtin = true;
  module->kernels = table.kernels;
  module->count = static_cast<size_t>(table.count);
  for (int32_t i = 0; i < table.count; i++) {
    const std::string entry = std::string("lockstep_") + table.kernels[i].name;
    void* function = nullptr;
    LOCKSTEP_DRIVE(*device, module_function, &function, module->handle, entry.c_str());
    module->functions.push_back(function);
  }
  return module;
}

}  // namespace lockstep
