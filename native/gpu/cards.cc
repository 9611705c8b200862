#include "cards.h"

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "context.h"
#include "driver-constants.h"
#include "gpu-error.h"

namespace lockstep {

namespace {

int attribute(const DriverLibrary& driver, int cuda, int hip, int device) {
  int value = 0;
  const int number = driver.vendor == Vendor::cuda ? cuda : hip;
  check_driver(driver, DriverCall::device_attribute, driver.table.device_attribute(&value, number, device), "to describe a card");
  return value;
}

std::string text_of(const DriverLibrary& driver, DriverCall call, int (*ask)(char*, int, int), int device) {
  char text[256] = {};
  check_driver(driver, call, ask(text, sizeof(text), device), "to describe a card");
  return text;
}

std::string arch_of(const DriverLibrary& driver, int device, const std::string& pci) {
  const int major = attribute(driver, cuda_constant::device_major, hip_constant::device_major, device);
  const int minor = attribute(driver, cuda_constant::device_minor, hip_constant::device_minor, device);
  if (driver.vendor == Vendor::cuda) return "sm_" + std::to_string(major) + std::to_string(minor);
  const std::string target = gfx_target(pci);
  // Without the stepping, which tells gfx90a from gfx906.
  return target.empty() ? "gfx" + std::to_string(major) + "." + std::to_string(minor) : target;
}

// A property of a compute node; -1 where it has none of the name.
long long property(const std::string& text, const std::string& name) {
  const size_t at = ("\n" + text).find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::atoll(text.c_str() + at + name.size());
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

const char* prefix(Vendor vendor) { return vendor == Vendor::cuda ? "cuda:" : "hip:"; }

}  // namespace

Card describe_card(const DriverLibrary& driver, int ordinal) {
  const Driver& table = driver.table;
  int device = 0;
  check_driver(driver, DriverCall::device_get, table.device_get(&device, ordinal), "to describe a card");
  Card card;
  card.ordinal = ordinal;
  card.name = text_of(driver, DriverCall::device_name, table.device_name, device);
  check_driver(driver, DriverCall::device_bytes, table.device_bytes(&card.bytes, device), "to describe a card");
  card.pci = text_of(driver, DriverCall::device_pci, table.device_pci, device);
  card.arch = arch_of(driver, device, card.pci);
  card.warp = attribute(driver, cuda_constant::device_warp, hip_constant::device_warp, device);
  card.processors = attribute(driver, cuda_constant::device_processors, hip_constant::device_processors, device);
  return card;
}

std::vector<Card> list_cards(const DriverLibrary& driver) {
  std::vector<Card> cards;
  for (int ordinal = 0; ordinal < driver.device_count; ++ordinal) cards.push_back(describe_card(driver, ordinal));
  return cards;
}

std::string gfx_target(const std::string& pci, const std::string& topology) {
  unsigned domain = 0;
  unsigned bus = 0;
  unsigned device = 0;
  unsigned function = 0;
  if (std::sscanf(pci.c_str(), "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) return "";
  std::error_code unreadable;
  for (const auto& node : std::filesystem::directory_iterator(topology, unreadable)) {
    const std::string text = read_text(node.path() / "properties");
    const long long version = property(text, "gfx_target_version");
    const long long location = property(text, "location_id");
    // A CPU's node has version 0. The partitions of one card count as functions of it.
    const bool same_bus = location >= 0 && property(text, "domain") == domain && (location >> 8 & 0xff) == bus;
    if (version <= 0 || !same_bus || (location >> 3 & 0x1f) != device) continue;
    // 90402 is gfx942, 90010 gfx90a.
    char target[32];
    std::snprintf(target, sizeof(target), "gfx%lld%lld%llx", version / 10000, version / 100 % 100, version % 100);
    return target;
  }
  return "";
}

std::optional<LocalRank> launcher_rank() {
  // Ours, Open MPI's, MPICH's and Intel's, MVAPICH's, Cray's, Flux's, Slurm's, torchrun's. Slurm's comes late: it is also set around
  // a launcher of another kind.
  constexpr const char* VARIABLES[] = {"LOCKSTEP_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID",
                                       "MV2_COMM_WORLD_LOCAL_RANK", "PALS_LOCAL_RANKID", "FLUX_TASK_LOCAL_ID",
                                       "LOCAL_RANK", "SLURM_LOCALID"};
  for (const char* variable : VARIABLES) {
    const char* const value = std::getenv(variable);
    if (value == nullptr || *value == '\0') continue;
    char* end = nullptr;
    const long rank = std::strtol(value, &end, 10);
    if (!std::isdigit(static_cast<unsigned char>(*value)) || *end != '\0' || rank > 1 << 20) {
      const std::string name = variable;
      throw DeviceError("ERR_CONFIG_INVALID",
                        name + " is \"" + value + "\"; it must be the number of this process on its machine, from 0 on.",
                        {{"name", name}, {"value", std::string(value)}});
    }
    return LocalRank{static_cast<int>(rank), variable};
  }
  return std::nullopt;
}

CardChoice choose_card(Vendor vendor, int count, std::optional<int> asked, const std::optional<LocalRank>& local) {
  const std::string cards = count == 1 ? "1 card" : std::to_string(count) + " cards";
  if (asked.has_value()) {
    if (*asked < count) return {*asked, "as asked"};
    const std::string device = prefix(vendor) + std::to_string(*asked);
    std::string message = "There is no " + device + ": the driver shows " + cards + ", counted from 0";
    for (const char* variable : visibility_variables(vendor)) {
      const char* const value = std::getenv(variable);
      if (value != nullptr) message += ", of those that " + std::string(variable) + "=" + value + " leaves";
    }
    throw DeviceError("ERR_DEVICE_UNAVAILABLE", message + ".", {{"device", device}, {"cards", count}});
  }
  if (!local.has_value()) return {0, count == 1 ? "the only card" : "the first of " + cards};
  const std::string rank = "local rank " + std::to_string(local->rank) + " (" + local->source + ")";
  if (local->rank < count) return {local->rank, rank + " of " + cards};
  return {local->rank % count, rank + " of " + cards + ", which ranks share"};
}

std::string pinning_refusal(const DriverLibrary& driver, int ordinal, void* host, size_t bytes) {
  const Driver& table = driver.table;
  try {
    GpuContext& context = GpuContext::of(driver, ordinal);
    if (const auto fault = context.fault()) return fault->error.message;
    const DriverCall current = driver.vendor == Vendor::cuda ? DriverCall::context_current : DriverCall::device_current;
    check_driver(driver, current, context.make_current());
    const unsigned flags = driver_constant::host_register_portable | driver_constant::host_register_mapped;
    check_driver(driver, DriverCall::host_register, table.host_register(host, bytes, flags), "to pin host memory");
    uint64_t address = 0;
    const int mapped = table.host_device_address(&address, host, 0);
    check_driver(driver, DriverCall::host_unregister, table.host_unregister(host), "to give host memory back");
    check_driver(driver, DriverCall::host_device_address, mapped, "to map host memory");
    return "";
  } catch (const DeviceError& error) {
    return error.message;
  }
}

}  // namespace lockstep
