#include "memory.h"

#include "driver-constants.h"

namespace lockstep {

namespace {

struct GpuMemory final : Memory {
  explicit GpuMemory(std::shared_ptr<GpuDevice> owner) : owner(std::move(owner)) {}
  ~GpuMemory() override {
    if (address.value != 0) free_quietly(*owner, Held::memory, [&] { LOCKSTEP_DRIVE(*owner, memory_free, address.value); });
  }
  const std::shared_ptr<GpuDevice> owner;
};

[[noreturn]] void refuse(const GpuDevice& device, DriverCall call, int code, size_t bytes) {
  const std::string doing = "to allocate " + std::to_string(bytes) + " bytes";
  DeviceError error = device.context.error(call, code, doing);
  size_t free = 0;
  size_t total = 0;
  error.details.emplace_back("needed", bytes);
  if (device.lost() == nullptr && device.driver.memory_info(&free, &total) == 0) {
    error.details.emplace_back("available", free);
    error.details.emplace_back("total", total);
  }
  throw error;
}

}  // namespace

std::unique_ptr<Memory> allocate_gpu_memory(std::shared_ptr<GpuDevice> device, size_t bytes) {
  const Current current(*device);
  auto memory = std::make_unique<GpuMemory>(device);
  if (const int code = device->driver.memory_allocate(&memory->address.value, bytes); code != 0) {
    memory->address.value = 0;
    refuse(*device, DriverCall::memory_allocate, code, bytes);
  }
  memory->bytes = bytes;
  return memory;
}

GpuStaging::~GpuStaging() {
  if (host != nullptr) free_quietly(*owner, Held::pinned, [&] { LOCKSTEP_DRIVE(*owner, host_free, host); });
}

std::unique_ptr<GpuStaging> allocate_gpu_staging(std::shared_ptr<GpuDevice> device, size_t bytes) {
  const Current current(*device);
  auto staging = std::make_unique<GpuStaging>(device);
  void* host = nullptr;
  const unsigned flags = driver_constant::host_allocate_portable | driver_constant::host_allocate_mapped;
  if (const int code = device->driver.host_allocate(&host, bytes, flags); code != 0) {
    refuse(*device, DriverCall::host_allocate, code, bytes);
  }
  staging->host = static_cast<std::byte*>(host);
  staging->bytes = bytes;
  LOCKSTEP_DRIVE(*device, host_device_address, &staging->device, host, 0);
  return staging;
}

DeviceBytes free_gpu_bytes(GpuDevice& device) {
  const Current current(device);
  size_t free = 0;
  size_t total = 0;
  LOCKSTEP_DRIVE(device, memory_info, &free, &total);
  return {free, total};
}

}  // namespace lockstep
