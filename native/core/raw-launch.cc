#include "launch.h"

namespace lockstep {

namespace {

uint64_t address_of(const std::shared_ptr<Device>& device, const std::string& kernel, size_t index, const RawArgument& given) {
  require_device(device, given.buffer->device, "buffer");
  if (given.buffer->memory == nullptr) throw_disposed("buffer", given.buffer->id);
  const auto size = static_cast<int64_t>(given.buffer->bytes);
  if (given.offset >= 0 && given.offset <= size) return (given.buffer->memory->address + static_cast<uint64_t>(given.offset)).value;
  throw DeviceError("ERR_LAUNCH_BOUNDS",
                    kernel + ": argument " + std::to_string(index) + " begins at byte " + std::to_string(given.offset) +
                        " of a buffer of " + std::to_string(size) + "; give an offset within it.",
                    {{"kernel", kernel}, {"argument", index}, {"needed", given.offset}, {"actual", size}});
}

[[noreturn]] void no_image() {
  throw DeviceError("ERR_LAUNCH_INVALID", "The module is no image for a GPU: launch its kernels by their arguments alone.");
}

}  // namespace

size_t Module::entry(const std::string&) { no_image(); }

void Module::check(const RawLaunch&) const { no_image(); }

std::shared_ptr<const Launch> check_raw_launch(const std::shared_ptr<Device>& device, const Module& module, RawLaunch sizes,
                                               const std::vector<RawArgument>& arguments) {
  for (size_t i = 0; i < arguments.size(); i++) {
    const RawArgument& given = arguments[i];
    sizes.words.push_back(given.buffer == nullptr ? given.word : address_of(device, sizes.name, i, given));
    sizes.sizes.push_back(given.buffer == nullptr ? given.bytes : sizeof(uint64_t));
  }
  module.check(sizes);
  auto launch = std::make_shared<Launch>();
  launch->module = &module;
  launch->raw = std::make_unique<const RawLaunch>(std::move(sizes));
  return launch;
}

}  // namespace lockstep
