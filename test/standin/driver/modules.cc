#include "modules.h"

#include <cstring>

#include "capture.h"
#include "entry.h"
#include "gpu/launch-config.h"
#include "images.h"
#include "kernels.h"
#include "memory.h"

namespace standin {

namespace {

struct Function {
  std::string name;
  const HostKernel* kernel = nullptr;
  // What it was asked for.
  unsigned shared_bytes = 48 << 10;
  bool large_cluster = false;
};

struct Module {
  int device = 0;
  Image image;
  std::map<std::string, void*> functions;
};

std::map<void*, std::shared_ptr<Module>>& modules() {
  static auto* const all = new std::map<void*, std::shared_ptr<Module>>;
  return *all;
}

std::map<void*, std::shared_ptr<Function>>& functions() {
  static auto* const all = new std::map<void*, std::shared_ptr<Function>>;
  return *all;
}

constexpr const char* no_module = "this is no module of the current device";
constexpr const char* no_function = "this is no kernel of a loaded module";

int load(void** module, const void* image, std::string* words) {
  auto made = std::make_shared<Module>();
  made->device = current().device;
  made->image = read_image(image);
  if (made->image.code != 0) {
    *words = made->image.text;
    return refuse(made->image.code, made->image.text);
  }
  *module = world().handle();
  modules()[*module] = std::move(made);
  return 0;
}

// Values of parameters as the launch copied them.
struct Launch {
  const HostKernel* kernel = nullptr;
  std::vector<uint64_t> values;
  uint32_t grid = 1, block = 1;
  uint64_t seed = 0;
  int device = 0;
};

// Bytes that the buffer at parameter `i` has: the parameter behind it says so, or it is the report.
size_t buffer_bytes(const Launch& launch, size_t i) {
  return launch.kernel->reports && i + 1 == launch.values.size() ? 32 : static_cast<size_t>(launch.values[i + 1]);
}

void run_kernel(const Launch& launch) {
  const auto& kinds = launch.kernel->parameters;
  std::vector<uint64_t> values = launch.values;
  std::vector<void*> pointers;
  for (size_t i = 0; i < values.size(); i++) {
    if (kinds[i] == Parameter::address && buffer_bytes(launch, i) != 0) {
      values[i] = reinterpret_cast<uint64_t>(resolve(launch.device, launch.values[i], buffer_bytes(launch, i)));
    }
  }
  for (uint64_t& value : values) pointers.push_back(&value);
  launch.kernel->run(launch.kernel->entry.c_str(), pointers.data(), launch.grid, launch.block, launch.seed);
  for (size_t i = 0; i < values.size(); i++) {
    if (kinds[i] == Parameter::address) check_zone(launch.values[i]);
  }
}

int launch_kernel(void* handle, const unsigned (&grid)[3], const unsigned (&block)[3], unsigned shared, void* on, void** parameters,
                  void** extra) {
  const std::shared_ptr<Function> function = find(functions(), handle);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (function == nullptr) return refuse(constant::error_invalid_handle, no_function);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (extra != nullptr) return refuse(constant::error_invalid_value, "extra is not used");
  const uint64_t threads = uint64_t{block[0]} * block[1] * block[2];
  if (threads == 0 || threads > 1024 || uint64_t{grid[0]} * grid[1] * grid[2] == 0 || grid[0] > INT32_MAX || grid[1] > 65535 ||
      grid[2] > 65535) {
    return refuse(constant::error_invalid_value, "this grid cannot be launched");
  }
  if (grid[1] != 1 || grid[2] != 1 || block[1] != 1 || block[2] != 1) return refuse(constant::error_invalid_value, "kernels have one dimension");
  if (shared > function->shared_bytes) return refuse(constant::error_invalid_value, "the kernel was not asked for so much shared memory");
  Launch launch{function->kernel, {}, grid[0], block[0], world().random(), stream->device};
  const auto& kinds = function->kernel->parameters;
  if (parameters == nullptr) return refuse(constant::error_invalid_value, "there are no parameters");
  for (size_t i = 0; i < kinds.size(); i++) {
    uint64_t value = 0;
    std::memcpy(&value, parameters[i], bytes_of(kinds[i]));
    launch.values.push_back(value);
  }
  for (size_t i = 0; i < kinds.size(); i++) {
    if (kinds[i] == Parameter::address && !resolves(stream->device, launch.values[i], buffer_bytes(launch, i))) {
      return constant::error_invalid_value;
    }
  }
  return submit(*stream, {function->name, [launch = std::move(launch)] { run_kernel(launch); }, {}});
}

}  // namespace

size_t live_modules() { return modules().size(); }

int module_load(void** module, const void* image) {
  ENTER(module_load, device_outside_captures);
  std::string words;
  return load(module, image, &words);
}

int module_load_logged(void** module, const void* image, unsigned count, int* options, void** values) {
  ENTER(module_load_logged, device_outside_captures);
  std::string words;
  const int code = load(module, image, &words);
  char* to = nullptr;
  size_t room = 0;
  for (unsigned i = 0; i < count; i++) {
    if (options[i] == constant::jit_error_log) to = static_cast<char*>(values[i]);
    if (options[i] == constant::jit_error_log_bytes) room = static_cast<unsigned>(reinterpret_cast<uintptr_t>(values[i]));
  }
  if (to != nullptr && room > 0) std::snprintf(to, room, "%s", words.c_str());
  return code;
}

int module_unload(void* handle) {
  ENTER(module_unload, device_outside_captures);
  const std::shared_ptr<Module> module = find(modules(), handle);
  if (module == nullptr || module->device != current().device) return refuse(constant::error_invalid_handle, no_module);
  for (const auto& [name, function] : module->functions) functions().erase(function);
  modules().erase(handle);
  return 0;
}

int module_function(void** function, void* handle, const char* name) {
  ENTER(module_function, device);
  const std::shared_ptr<Module> module = find(modules(), handle);
  if (module == nullptr) return refuse(constant::error_invalid_handle, no_module);
  if (name == nullptr) return refuse(constant::error_invalid_value, "there is no name");
  const HostKernel* const kernel = find_kernel(name);
  if (kernel == nullptr || !has_entry(module->image, name)) {
    return refuse(constant::error_not_found, std::string("no entry point ") + name + (kernel == nullptr ? " among the host builds" : " in the image"));
  }
  void*& known = module->functions[name];
  if (known == nullptr) {
    known = world().handle();
    functions()[known] = std::make_shared<Function>(Function{name, kernel});
  }
  *function = known;
  return 0;
}

int function_attribute(int* value, int attribute, void* handle) {
  ENTER(function_attribute, device);
  if (find(functions(), handle) == nullptr) return refuse(constant::error_invalid_handle, no_function);
  switch (attribute) {
    case constant::function_max_threads: *value = 1024; return 0;
    case constant::function_registers: *value = 32; return 0;
    case constant::function_binary: *value = pretended_arch().major * 10 + pretended_arch().minor; return 0;
    case constant::function_shared:
    case constant::function_local:
    case constant::function_dynamic_shared: *value = 0; return 0;
    default: return refuse(constant::error_invalid_value, "this attribute is not one that is used");
  }
}

int function_set_attribute(void* handle, int attribute, int value) {
  ENTER(function_set_attribute, device);
  if (find(functions(), handle) == nullptr) return refuse(constant::error_invalid_handle, no_function);
#ifndef STANDIN_HIP
  if (attribute == constant::function_large_cluster && value == 1) {
    find(functions(), handle)->large_cluster = true;
    return 0;
  }
#endif
  if (attribute != constant::function_dynamic_shared || value < 0 || value > 227 << 10) {
    return refuse(constant::error_invalid_value, "this attribute cannot be set so");
  }
  find(functions(), handle)->shared_bytes = static_cast<unsigned>(value);
  return 0;
}

int function_parameter(void* handle, size_t index, size_t* offset, size_t* bytes) {
  ENTER(function_parameter, device);
  const std::shared_ptr<Function> function = find(functions(), handle);
  if (function == nullptr) return refuse(constant::error_invalid_handle, no_function);
  const auto& kinds = function->kernel->parameters;
  if (index >= kinds.size()) return constant::error_invalid_value;
  size_t place = 0;
  for (size_t i = 0; i <= index; i++) {
    const size_t size = bytes_of(kinds[i]);
    place = (place + size - 1) / size * size;
    *offset = place;
    if (bytes != nullptr) *bytes = size;
    place += size;
  }
  return 0;
}

int launch(void* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y, unsigned block_z,
           unsigned shared_bytes, void* stream, void** parameters, void** extra) {
  ENTER(launch, device);
  return launch_kernel(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, stream, parameters, extra);
}

int launch_with(const void* config, void* function, void** parameters, void** extra) {
  ENTER(launch_with, device);
  if (config == nullptr) return refuse(constant::error_invalid_value, "there is no configuration");
  const auto& read = *static_cast<const lockstep::LaunchConfig*>(config);
  const std::shared_ptr<Function> kernel = find(functions(), function);
  if (kernel == nullptr) return refuse(constant::error_invalid_handle, no_function);
#ifndef STANDIN_HIP
  for (unsigned i = 0; i < read.attribute_count; i++) {
    if (read.attributes[i].id == constant::launch_cooperative) continue;
    if (read.attributes[i].id != constant::launch_cluster) return refuse(constant::error_invalid_value, "this attribute of a launch is not used");
    const unsigned* const cluster = read.attributes[i].value.cluster;
    unsigned blocks = 1;
    for (int axis = 0; axis < 3; axis++) {
      if (cluster[axis] == 0 || read.grid[axis] % cluster[axis] != 0) return refuse(constant::error_invalid_value, "the grid has no whole clusters");
      blocks *= cluster[axis];
    }
    if (blocks > (kernel->large_cluster ? 16 : 8)) return refuse(constant::error_invalid_value, "the kernel was not asked for so large a cluster");
  }
#endif
  return launch_kernel(function, read.grid, read.block, read.shared_bytes, read.stream, parameters, extra);
}

}  // namespace standin
