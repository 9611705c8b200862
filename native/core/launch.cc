#include "launch.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace lockstep {

namespace {

std::string place(const lockstep_kernel& kernel, size_t index) {
  return std::string(kernel.name) + ": argument " + std::to_string(index) + " (" + kernel.arguments[index].name + ")";
}

std::vector<Detail> details(const lockstep_kernel& kernel, size_t index) {
  return {{"kernel", std::string(kernel.name)}, {"argument", index}, {"name", std::string(kernel.arguments[index].name)}};
}

[[noreturn]] void invalid(const lockstep_kernel& kernel, size_t index, const std::string& mistake) {
  throw DeviceError("ERR_LAUNCH_INVALID", place(kernel, index) + " " + mistake, details(kernel, index));
}

[[noreturn]] void out_of_bounds(const lockstep_kernel& kernel, size_t index, int64_t needed, int64_t actual) {
  auto values = details(kernel, index);
  values.emplace_back("needed", needed);
  values.emplace_back("actual", actual);
  throw DeviceError("ERR_LAUNCH_BOUNDS",
                    place(kernel, index) + " needs " + std::to_string(needed) + " bytes and has " +
                        std::to_string(actual) + "; give a larger buffer or smaller counts.",
                    std::move(values));
}

bool is_scalar(int32_t kind) { return kind == LOCKSTEP_I32 || kind == LOCKSTEP_I64; }

LaunchValue scalar_value(const lockstep_kernel& kernel, size_t index, const LaunchArgument& given) {
  if (given.buffer != nullptr) invalid(kernel, index, "is a scalar; a buffer was given.");
  if (kernel.arguments[index].kind == LOCKSTEP_I32 &&
      (given.scalar < std::numeric_limits<int32_t>::min() || given.scalar > std::numeric_limits<int32_t>::max())) {
    invalid(kernel, index, "is a 32-bit integer; " + std::to_string(given.scalar) + " does not fit.");
  }
  return {{}, 0, given.scalar};
}

LaunchValue buffer_value(const std::shared_ptr<Device>& device, const lockstep_kernel& kernel, size_t index,
                         const LaunchArgument& given) {
  if (given.buffer == nullptr) invalid(kernel, index, "is a buffer; a scalar was given.");
  require_device(device, given.buffer->device, "buffer");
  if (given.buffer->memory == nullptr) throw_disposed("buffer", given.buffer->id);
  const auto size = static_cast<int64_t>(given.buffer->bytes);
  if (given.offset < 0 || given.offset > size) out_of_bounds(kernel, index, given.offset, size);
  if (given.offset % kernel.arguments[index].element_bytes != 0) {
    invalid(kernel, index, "begins at byte " + std::to_string(given.offset) + "; its elements are of " +
                               std::to_string(kernel.arguments[index].element_bytes) + " bytes.");
  }
  return {given.buffer->memory->address + given.offset, size - given.offset, 0};
}

// A user's library may throw anything.
bool passes_check(const lockstep_kernel& kernel, const std::vector<lockstep_value>& sizes, int64_t* required,
                  lockstep_error& error) {
  try {
    return kernel.check(sizes.data(), required, &error) == 0;
  } catch (...) {
    std::strncpy(error.message, "its check() threw a C++ exception", sizeof(error.message) - 1);
    return false;
  }
}

// The bytes that `check` requires; for an output without a requirement, the whole buffer.
size_t touched_bytes(const lockstep_kernel& kernel, const std::vector<LaunchValue>& values, const int64_t* required) {
  size_t bytes = 0;
  for (size_t i = 0; i < values.size(); i++) {
    const int64_t all = kernel.arguments[i].kind == LOCKSTEP_OUT ? values[i].bytes : 0;
    bytes += static_cast<size_t>(required[i] > 0 ? required[i] : all);
  }
  return bytes;
}

}  // namespace

std::shared_ptr<const Launch> check_launch(const std::shared_ptr<Device>& device, const Module& module, size_t index,
                                           const std::vector<LaunchArgument>& arguments) {
  const lockstep_kernel& kernel = module.kernels[index];
  const auto count = static_cast<size_t>(kernel.argument_count);
  if (arguments.size() != count) {
    throw DeviceError("ERR_LAUNCH_INVALID",
                      std::string(kernel.name) + " takes " + std::to_string(count) + " arguments, " +
                          std::to_string(arguments.size()) + " were given.",
                      {{"kernel", std::string(kernel.name)}, {"needed", count}, {"actual", arguments.size()}});
  }
  auto launch = std::make_shared<Launch>();
  launch->module = &module;
  launch->kernel = &kernel;
  launch->values.reserve(count);
  for (size_t i = 0; i < count; i++) {
    const bool scalar = is_scalar(kernel.arguments[i].kind);
    launch->values.push_back(scalar ? scalar_value(kernel, i, arguments[i])
                                    : buffer_value(device, kernel, i, arguments[i]));
  }
  int64_t required[LOCKSTEP_MAX_ARGUMENTS] = {};
  lockstep_error error = {};
  // check() sees sizes only: at a launch the stream may still be writing what the addresses point to.
  std::vector<lockstep_value> sizes;
  for (const auto& value : launch->values) sizes.push_back({nullptr, value.bytes, value.scalar});
  if (!passes_check(kernel, sizes, required, error)) {
    error.message[sizeof(error.message) - 1] = '\0';
    throw DeviceError("ERR_LAUNCH_INVALID", std::string(kernel.name) + ": " + error.message,
                      {{"kernel", std::string(kernel.name)}, {"report", std::string(error.message)}});
  }
  for (size_t i = 0; i < count; i++) {
    if (is_scalar(kernel.arguments[i].kind)) continue;
    if (required[i] > launch->values[i].bytes) out_of_bounds(kernel, i, required[i], launch->values[i].bytes);
  }
  if (module.builtin) launch->touched = touched_bytes(kernel, launch->values, required);
  return launch;
}

}  // namespace lockstep
