#include "machine-memory.h"

#include <algorithm>
#include <fstream>
#include <limits>

namespace lockstep {

namespace {

constexpr uint64_t unlimited = std::numeric_limits<uint64_t>::max();

// The number a file begins with, else `otherwise` ("max", or no such file).
uint64_t number_in(const std::string& path, uint64_t otherwise) {
  std::ifstream file(path);
  uint64_t value;
  return file >> value ? value : otherwise;
}

// The number after a word that begins a line, else `otherwise`.
uint64_t number_after(const std::string& path, const std::string& word, uint64_t otherwise) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, word.size() + 1, word + " ") == 0) return std::stoull(line.substr(word.size()));
  }
  return otherwise;
}

struct Group {
  const char* limit;
  const char* use;
  const char* statistics;
  // Memory that `use` counts and the kernel reclaims before it kills a process: files read once.
  const char* reclaimable;
};

constexpr Group groups[] = {
    {"memory.max", "memory.current", "memory.stat", "inactive_file"},
    {"memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "total_inactive_file"},
};

}  // namespace

uint64_t available_memory(const std::string& root) {
  const uint64_t kib = number_after(root + "/proc/meminfo", "MemAvailable:", unlimited);
  uint64_t available = kib == unlimited ? unlimited : kib * 1024;
  const std::string folder = root + "/sys/fs/cgroup/";
  for (const Group& group : groups) {
    const uint64_t limit = number_in(folder + group.limit, unlimited);
    if (limit == unlimited) continue;
    const uint64_t use = number_in(folder + group.use, 0);
    const uint64_t reclaimable = number_after(folder + group.statistics, group.reclaimable, 0);
    const uint64_t held = use - std::min(use, reclaimable);
    available = std::min(available, limit - std::min(limit, held));
  }
  return available;
}

uint64_t machine_memory(const std::string& root) {
  const uint64_t kib = number_after(root + "/proc/meminfo", "MemTotal:", unlimited);
  return kib == unlimited ? unlimited : kib * 1024;
}

}  // namespace lockstep
