#include "host-memory.h"

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>

namespace lockstep {

namespace {

constexpr size_t alignment = 64;
constexpr int poison = 0xA5;
// Smaller allocations are not worth reading four files for.
constexpr size_t asks_machine_from = size_t{16} << 20;

struct HostMemory final : Memory {
  ~HostMemory() override { std::free(address); }
};

// The first number of a file that says one, else `otherwise` ("max", or no such file).
uint64_t number_in(const char* path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value;
  return file >> value ? value : otherwise;
}

// Linux promises memory it does not have and then kills the process that writes to it: ask before writing.
uint64_t available_bytes() {
  constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();
  uint64_t available = unlimited;
  std::ifstream meminfo("/proc/meminfo");
  std::string word;
  while (meminfo >> word) {
    uint64_t kib;
    if (word == "MemAvailable:" && meminfo >> kib) available = kib * 1024;
  }
  static constexpr const char* groups[][2] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
  };
  for (const auto& [limit_file, use_file] : groups) {
    const uint64_t limit = number_in(limit_file, unlimited);
    const uint64_t use = number_in(use_file, 0);
    const uint64_t left = limit > use ? limit - use : 0;
    if (left < available) available = left;
  }
  return available;
}

[[noreturn]] void refuse(size_t needed, uint64_t available) {
  throw DeviceError("ERR_DEVICE_MEMORY",
                    "A buffer needs " + std::to_string(needed) + " bytes, the machine has " +
                        std::to_string(available) + " available. Allocate less.",
                    {{"needed", needed}, {"available", available}});
}

}  // namespace

std::unique_ptr<Memory> allocate_host_memory(size_t bytes) {
  if (bytes >= asks_machine_from) {
    const uint64_t available = available_bytes();
    if (bytes > available) refuse(bytes, available);
  }
  auto memory = std::make_unique<HostMemory>();
  const size_t rounded = (bytes + alignment - 1) / alignment * alignment;
  memory->address = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  if (memory->address == nullptr) refuse(bytes, 0);
  memory->bytes = bytes;
  std::memset(memory->address, poison, rounded);
  return memory;
}

}  // namespace lockstep
