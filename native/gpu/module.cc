#include "module.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

#include "driver-constants.h"
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

// For HIP nothing is compiled ahead: LOCKSTEP_HIP_IMAGE names a code object, or a bundle of them, made of lockstep.hip.
Image named_image() {
  const char* const path = std::getenv("LOCKSTEP_HIP_IMAGE");
  const std::string name = path != nullptr ? path : "";
  std::ifstream file(name, std::ios::binary);
  Image image{name, {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()}};
  if (!image.bytes.empty()) return image;
  throw DeviceError("ERR_DEVICE_UNAVAILABLE",
                    "The kernels for this GPU are compiled by the user: compile lockstep.hip, which lies beside the addon, for it, and "
                    "name the code object in LOCKSTEP_HIP_IMAGE" +
                        (name.empty() ? std::string(".") : "; nothing can be read from " + name + "."),
                    {{"path", name}});
}

// The one of each place, the best first: the next is read only where a driver refuses the last.
Image read_image(Vendor vendor, size_t place) {
  if (vendor == Vendor::hip) return named_image();
  const char* const file = place == 0 ? CUDA_IMAGE : OLD_CUDA_IMAGE;
  return {file, read_kernel_image(file)};
}

}  // namespace

GpuModule::~GpuModule() {
  if (handle != nullptr) free_quietly(*owner, [&] { LOCKSTEP_DRIVE(*owner, module_unload, handle); });
}

std::unique_ptr<GpuModule> load_builtin_kernels(std::shared_ptr<GpuDevice> device) {
  const Current current(*device);
  auto module = std::make_unique<GpuModule>(device);
  std::string refusals;
  const Vendor vendor = device->context.library.vendor;
  for (size_t place = 0; place < (vendor == Vendor::cuda ? 2 : 1); place++) {
    const Image image = read_image(vendor, place);
    const int code = device->driver.module_load(&module->handle, image.bytes.data());
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
