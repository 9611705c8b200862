#include "image.h"

#include <algorithm>
#include <tuple>

#include "driver-constants.h"
#include "image-bytes.h"
#include "launch-config.h"

namespace lockstep {

namespace {

// The grid that CUDA takes; HIP takes more of y and z.
constexpr unsigned MOST_BLOCKS[] = {0x7fffffff, 65535, 65535};
constexpr unsigned MOST_THREADS[] = {1024, 1024, 64};
// Shared memory that a kernel may have without being asked for more, and blocks of a cluster that any card takes.
constexpr unsigned UNASKED_SHARED_BYTES = 48 << 10;
constexpr unsigned PORTABLE_CLUSTER = 8;
constexpr unsigned MOST_CLUSTER = 16;
constexpr size_t LOG_BYTES = 16 << 10;

std::string product(const std::array<unsigned, 3>& sizes) {
  return std::to_string(sizes[0]) + " * " + std::to_string(sizes[1]) + " * " + std::to_string(sizes[2]);
}

uint64_t volume(const std::array<unsigned, 3>& sizes) { return uint64_t{sizes[0]} * sizes[1] * sizes[2]; }

[[noreturn]] void refuse_launch(const std::string& kernel, const std::string& mistake, std::vector<Detail> details = {}) {
  details.emplace_back("kernel", kernel);
  throw DeviceError("ERR_LAUNCH_INVALID", kernel + ": " + mistake, std::move(details));
}

}  // namespace

std::unique_ptr<Module> load_gpu_image(std::shared_ptr<GpuDevice> device, const std::string& image, const std::string& name) {
  auto made = std::make_unique<GpuImage>(std::move(device));
  made->load(image, name);
  return made;
}

GpuImage::~GpuImage() {
  if (handle_ != nullptr) free_quietly(*owner_, Held::modules, [&] { LOCKSTEP_DRIVE(*owner_, module_unload, handle_); });
}

// The compiler's words, if any.
std::string GpuImage::refuse(const std::string& image, int* code) {
  const Driver& driver = owner_->driver;
  if (driver.module_load_logged == nullptr || owner_->context.library.vendor == Vendor::hip) {
    *code = driver.module_load(&handle_, image.c_str());
    return "";
  }
  std::string log(LOG_BYTES, '\0');
  int options[] = {cuda_constant::jit_error_log, cuda_constant::jit_error_log_bytes};
  void* values[] = {log.data(), reinterpret_cast<void*>(LOG_BYTES)};
  *code = driver.module_load_logged(&handle_, image.c_str(), 2, options, values);
  return log.c_str();
}

void GpuImage::load(const std::string& image, const std::string& name) {
  const Vendor vendor = owner_->context.library.vendor;
  const std::string mistake = mistake_of_image(vendor, image);
  if (!mistake.empty()) {
    throw DeviceError("ERR_LAUNCH_INVALID", "No kernels from " + name + ": " + mistake + ".", {{"path", name}, {"reason", mistake}});
  }
  const Current current(*owner_);
  int code = 0;
  image_ = image;
  const std::string log = refuse(image_, &code);
  if (code != 0) {
    handle_ = nullptr;
    DeviceError error = owner_->context.error(DriverCall::module_load, code, "to load " + name);
    if (!log.empty()) error.message += " It says: " + log;
    error.details.emplace_back("path", name);
    error.details.emplace_back("log", log);
    throw error;
  }
  max_shared_ = vendor == Vendor::cuda ? owner_->context.attribute(cuda_constant::device_max_shared_asked)
                                       : owner_->context.attribute(hip_constant::device_max_shared);
}

size_t GpuImage::entry(const std::string& name) {
  for (size_t i = 0; i < kernels_.size(); i++) {
    if (kernels_[i].name == name) return i;
  }
  const Current current(*owner_);
  const Driver& driver = owner_->driver;
  Kernel kernel;
  kernel.name = name;
  owner_->check(DriverCall::module_function, driver.module_function(&kernel.function, handle_, name.c_str()),
                ("to find the kernel " + name + " in its image").c_str());
  LOCKSTEP_DRIVE(*owner_, function_attribute, &kernel.max_threads, driver_constant::function_max_threads, kernel.function);
  LOCKSTEP_DRIVE(*owner_, function_attribute, &kernel.shared_bytes, driver_constant::function_shared, kernel.function);
  kernel.knows_parameters = driver.function_parameter != nullptr;
  for (size_t offset = 0, bytes = 0; kernel.knows_parameters; kernel.parameters.push_back(bytes)) {
    // Past the last one the value is invalid.
    if (driver.function_parameter(kernel.function, kernel.parameters.size(), &offset, &bytes) != 0) break;
  }
  kernels_.push_back(std::move(kernel));
  return kernels_.size() - 1;
}

void GpuImage::check(const RawLaunch& launch) const {
  if (launch.entry >= kernels_.size()) refuse_launch(launch.name, "the module has no such entry point.");
  const Kernel& kernel = kernels_[launch.entry];
  check_sizes(kernel, launch);
  check_parameters(kernel, launch);
}

void GpuImage::check_sizes(const Kernel& kernel, const RawLaunch& launch) const {
  const char* const axes[] = {"x", "y", "z"};
  for (size_t i = 0; i < 3; i++) {
    const auto within = [&](const char* what, unsigned size, unsigned most) {
      if (size >= 1 && size <= most) return;
      refuse_launch(kernel.name, std::string(what) + "." + axes[i] + " is " + std::to_string(size) + "; give 1 to " + std::to_string(most) + ".",
                    {{"field", std::string(what)}, {"actual", size}, {"limit", most}});
    };
    within("grid", launch.grid[i], MOST_BLOCKS[i]);
    within("block", launch.block[i], MOST_THREADS[i]);
    within("cluster", launch.cluster[i], MOST_CLUSTER);
    if (launch.grid[i] % launch.cluster[i] != 0) {
      refuse_launch(kernel.name, "a grid of " + product(launch.grid) + " blocks has no whole number of clusters of " + product(launch.cluster) + ".",
                    {{"field", std::string("cluster")}});
    }
  }
  const uint64_t threads = volume(launch.block);
  const auto most = static_cast<uint64_t>(kernel.max_threads);
  if (threads > most) {
    refuse_launch(kernel.name, "a block of " + product(launch.block) + " threads is too large; on this device it has at most " + std::to_string(most) + ".",
                  {{"field", std::string("block")}, {"actual", threads}, {"limit", most}});
  }
  const uint64_t shared = uint64_t{launch.shared_bytes} + static_cast<unsigned>(kernel.shared_bytes);
  if (shared > static_cast<unsigned>(max_shared_)) {
    refuse_launch(kernel.name,
                  "it needs " + std::to_string(shared) + " bytes of shared memory, " + std::to_string(kernel.shared_bytes) +
                      " of them its own; a block of this device has at most " + std::to_string(max_shared_) + ".",
                  {{"field", std::string("sharedBytes")}, {"actual", shared}, {"limit", max_shared_}});
  }
  const uint64_t cluster = volume(launch.cluster);
  if (cluster > MOST_CLUSTER) {
    refuse_launch(kernel.name, "a cluster of " + product(launch.cluster) + " blocks is too large; it has at most 16.",
                  {{"field", std::string("cluster")}, {"actual", cluster}, {"limit", MOST_CLUSTER}});
  }
  if ((cluster > 1 || launch.cooperative) && owner_->driver.launch_with == nullptr) {
    refuse_launch(kernel.name, std::string(cluster > 1 ? "clusters" : "cooperative launches") +
                                   " need cuLaunchKernelEx, which this driver has not; take a CUDA driver from 11.8 on, or compile the kernel without.",
                  {{"field", std::string(cluster > 1 ? "cluster" : "cooperative")}});
  }
}

void GpuImage::check_parameters(const Kernel& kernel, const RawLaunch& launch) const {
  if (!kernel.knows_parameters) return;
  const size_t needed = kernel.parameters.size();
  const size_t given = launch.words.size();
  if (needed > given || needed + launch.optional < given) {
    refuse_launch(kernel.name, "it has " + std::to_string(needed) + " parameters, " + std::to_string(given - launch.optional) + " were given.",
                  {{"needed", needed}, {"actual", given - launch.optional}});
  }
  for (size_t i = 0; i < needed; i++) {
    if (launch.sizes[i] == kernel.parameters[i]) continue;
    refuse_launch(kernel.name,
                  "argument " + std::to_string(i) + " has " + std::to_string(kernel.parameters[i]) + " bytes, " + std::to_string(launch.sizes[i]) +
                      " were given; give a scalar of its type, or a buffer for a pointer.",
                  {{"argument", i}, {"needed", kernel.parameters[i]}, {"actual", launch.sizes[i]}});
  }
}

// What a kernel gets only where it was asked for before its launch.
void GpuImage::raise_limits(const Kernel& kernel, const RawLaunch& launch) const {
  const Driver& driver = owner_->driver;
  if (driver.function_set_attribute == nullptr) return;
  const unsigned shared = launch.shared_bytes;
  if (shared + static_cast<unsigned>(kernel.shared_bytes) > UNASKED_SHARED_BYTES && shared > kernel.dynamic_bytes) {
    LOCKSTEP_DRIVE(*owner_, function_set_attribute, kernel.function, driver_constant::function_dynamic_shared, static_cast<int>(shared));
    kernel.dynamic_bytes = shared;
  }
  if (volume(launch.cluster) > PORTABLE_CLUSTER && !kernel.large_cluster) {
    LOCKSTEP_DRIVE(*owner_, function_set_attribute, kernel.function, cuda_constant::function_large_cluster, 1);
    kernel.large_cluster = true;
  }
}

void GpuImage::launch(void* stream, const RawLaunch& launch) const {
  const Kernel& kernel = kernels_[launch.entry];
  raise_limits(kernel, launch);
  std::vector<uint64_t> words = launch.words;
  std::vector<void*> parameters;
  for (uint64_t& word : words) parameters.push_back(&word);
  const auto& [grid, block, cluster] = std::tie(launch.grid, launch.block, launch.cluster);
  if (volume(cluster) == 1 && !launch.cooperative) {
    LOCKSTEP_DRIVE(*owner_, launch, kernel.function, grid[0], grid[1], grid[2], block[0], block[1], block[2], launch.shared_bytes, stream,
                   parameters.data(), nullptr);
    return;
  }
  LaunchAttribute attributes[2] = {};
  unsigned count = 0;
  if (volume(cluster) > 1) {
    attributes[count].id = cuda_constant::launch_cluster;
    std::copy(cluster.begin(), cluster.end(), attributes[count++].value.cluster);
  }
  if (launch.cooperative) {
    attributes[count].id = cuda_constant::launch_cooperative;
    attributes[count++].value.flag = 1;
  }
  const LaunchConfig config = {{grid[0], grid[1], grid[2]}, {block[0], block[1], block[2]}, launch.shared_bytes, stream, attributes, count};
  LOCKSTEP_DRIVE(*owner_, launch_with, &config, kernel.function, parameters.data(), nullptr);
}

}  // namespace lockstep
