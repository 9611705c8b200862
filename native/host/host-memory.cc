#include "host-memory.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <type_traits>

#include "machine-memory.h"

namespace lockstep {

namespace {

constexpr size_t alignment = 64;
constexpr int poison = 0xA5;
// Smaller allocations are not worth the reading of four files.
constexpr size_t asks_machine_from = size_t{16} << 20;

struct HostMemory final : HostResource<Memory> {
  using HostResource::HostResource;
  ~HostMemory() override { std::free(pointer_of(address)); }
};

struct HostStaging final : Staging {
  ~HostStaging() override { std::free(host); }
};

[[noreturn]] void refuse(size_t needed, uint64_t available) {
  throw DeviceError("ERR_DEVICE_MEMORY",
                    "A buffer needs " + std::to_string(needed) + " bytes, the machine has " +
                        std::to_string(available) + " available. Allocate less.",
                    {{"needed", needed}, {"available", available}});
}

// The C library refused, not the machine: a limit on address space, or strict overcommit.
[[noreturn]] void refuse_address_space(size_t needed) {
  const uint64_t available = available_memory();
  if (needed > available) refuse(needed, available);
  throw DeviceError("ERR_DEVICE_MEMORY",
                    "A buffer needs " + std::to_string(needed) +
                        " bytes, which this process may not map although the machine has " +
                        std::to_string(available) +
                        " available. Allocate less, or raise its limit on address space (ulimit -v, vm.overcommit_memory).",
                    {{"needed", needed}, {"available", available}});
}

}  // namespace

std::unique_ptr<Memory> allocate_host_memory(size_t bytes, std::shared_ptr<HostCaptures> captures) {
  captures->require_none("Allocating");
  // Linux promises memory it does not have and then kills the process that writes to it: ask before writing, and let the
  // next thread ask only when this one has written. It has no destructor: threads may outlive the module.
  static std::mutex asking;
  static_assert(std::is_trivially_destructible_v<std::mutex>);
  std::unique_lock<std::mutex> turn(asking, std::defer_lock);
  if (bytes >= asks_machine_from) {
    turn.lock();
    const uint64_t available = available_memory();
    if (bytes > available) refuse(bytes, available);
  }
  auto memory = std::make_unique<HostMemory>(std::move(captures));
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  void* const address = std::aligned_alloc(alignment, rounded);
  if (address == nullptr) refuse_address_space(bytes);
  std::memset(address, poison, rounded);
  memory->address.value = reinterpret_cast<uint64_t>(address);
  memory->bytes = bytes;
  return memory;
}

std::unique_ptr<Staging> allocate_host_staging(size_t bytes) {
  auto staging = std::make_unique<HostStaging>();
  staging->host = static_cast<std::byte*>(std::malloc(bytes));
  if (staging->host == nullptr) refuse_address_space(bytes);
  staging->bytes = bytes;
  staging->pinned = true;
  return staging;
}

}  // namespace lockstep
