#include "arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <utility>

#include "driver-constants.h"

namespace lockstep {

namespace {

// Memory that was registered, which a driver does once per process. Neither is ever destroyed.
struct Registration {
  size_t bytes;
  size_t holders;
};

std::mutex& registry_mutex() {
  static auto* const mutex = new std::mutex();
  return *mutex;
}

std::map<std::pair<const DriverLibrary*, std::byte*>, Registration>& registry() {
  static auto* const all = new std::map<std::pair<const DriverLibrary*, std::byte*>, Registration>();
  return *all;
}

// Registers the range of the view and no more: behind it lie guard pages. Empty, or why not.
std::string register_range(GpuDevice& device, std::byte* host, size_t bytes) {
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (reinterpret_cast<uintptr_t>(host) % page != 0 || bytes % page != 0) return "it is not made of whole pages";
  const std::lock_guard<std::mutex> lock(registry_mutex());
  auto& all = registry();
  const std::pair<const DriverLibrary*, std::byte*> key{&device.context.library, host};
  if (const auto known = all.find(key); known != all.end()) {
    if (known->second.bytes != bytes) return "another range that begins there is registered";
    known->second.holders++;
    return "";
  }
  const Current current(device);
  const unsigned flags = driver_constant::host_register_portable | driver_constant::host_register_mapped;
  // A child's copy of a pinned page would take the place of the one that the device writes.
  madvise(host, bytes, MADV_DONTFORK);
  if (const int code = device.driver.host_register(host, bytes, flags); code != 0) {
    madvise(host, bytes, MADV_DOFORK);
    return device.context.error(DriverCall::host_register, code).message;
  }
  all[key] = {bytes, 1};
  return "";
}

void unregister_range(GpuDevice& device, std::byte* host) noexcept {
  const std::lock_guard<std::mutex> lock(registry_mutex());
  auto& all = registry();
  const auto known = all.find({&device.context.library, host});
  if (known == all.end() || --known->second.holders > 0) return;
  const size_t bytes = known->second.bytes;
  all.erase(known);
  // Memory of a device that is lost stays registered: its work may still go on.
  free_quietly(device, Held::arenas, [&] {
    LOCKSTEP_DRIVE(device, host_unregister, host);
    madvise(host, bytes, MADV_DOFORK);
  });
}

struct GpuArenaPin final : ArenaPin {
  explicit GpuArenaPin(std::shared_ptr<GpuDevice> owner) : owner(std::move(owner)) {}
  ~GpuArenaPin() override {
    const GpuArena arena = std::exchange(owner->arena, {});
    if (arena.pinned) unregister_range(*owner, arena.host);
  }
  const std::shared_ptr<GpuDevice> owner;
};

}  // namespace

std::unique_ptr<ArenaPin> pin_gpu_arena(std::shared_ptr<GpuDevice> device, std::byte* host, size_t bytes) {
  auto pin = std::make_unique<GpuArenaPin>(device);
  device->arena = {host, bytes, false, 0};
  pin->reason = register_range(*device, host, bytes);
  if (!pin->reason.empty()) return pin;
  pin->pinned = device->arena.pinned = true;
  // Without a place for kernels, edits of tables are copied row by row.
  const Current current(*device);
  if (const int code = device->driver.host_device_address(&device->arena.device, host, 0); code != 0) {
    device->arena.device = 0;
    // A fault is remembered.
    static_cast<void>(device->context.error(DriverCall::host_device_address, code));
  }
  return pin;
}

}  // namespace lockstep
