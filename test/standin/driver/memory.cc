#include "memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "entry.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, bytes)
#define ASAN_UNPOISON_MEMORY_REGION(address, bytes)
#endif

namespace standin {

namespace {

constexpr size_t page = 4096;
constexpr unsigned char zone_byte = 0xa5;

struct Allocation {
  int device = 0;
  size_t bytes = 0, mapped = 0;
  std::byte* published = nullptr;
  std::byte* view = nullptr;
  bool live = false;
};

struct HostRange {
  HostKind kind;
  int device = 0;
  uintptr_t host = 0, begin = 0, end = 0;
  unsigned flags = 0;
  uint64_t view = 0;
};

// By their published address. Those freed stay, so that their addresses are never given again.
std::map<uint64_t, Allocation>& allocations() {
  static auto* const all = new std::map<uint64_t, Allocation>;
  return *all;
}

std::vector<HostRange>& host_ranges() {
  static auto* const all = new std::vector<HostRange>;
  return *all;
}

std::byte* map_nothing(size_t bytes) {
  return static_cast<std::byte*>(mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
}

// The zones lie in the page before the bytes and from their end to the mapping's end.
bool zones_hold(const Allocation& one) {
  std::byte* const before = one.view + page - 256;
  std::byte* const after = one.view + page + one.bytes;
  const size_t behind = one.mapped - page - one.bytes;
  ASAN_UNPOISON_MEMORY_REGION(before, 256);
  ASAN_UNPOISON_MEMORY_REGION(after, behind);
  bool good = true;
  for (size_t i = 0; i < 256; i++) good = good && before[i] == std::byte{zone_byte};
  for (size_t i = 0; i < behind; i++) good = good && after[i] == std::byte{zone_byte};
  ASAN_POISON_MEMORY_REGION(before, 256);
  ASAN_POISON_MEMORY_REGION(after, behind);
  return good;
}

const Allocation* containing(uint64_t address) {
  auto at = allocations().upper_bound(address);
  if (at == allocations().begin()) return nullptr;
  --at;
  // One that was freed is found by its addresses too: its message says so.
  return address - at->first <= at->second.bytes ? &at->second : nullptr;
}

std::byte* look(int device, uint64_t address, size_t bytes, std::string* why) {
  if (const Allocation* const one = containing(address)) {
    const size_t offset = address - (reinterpret_cast<uint64_t>(one->published) + page);
    if (!one->live) *why = "lies in memory that was freed";
    else if (one->device != device) *why = "lies on device " + std::to_string(one->device);
    else if (bytes > one->bytes - offset) *why = "ends behind its allocation of " + std::to_string(one->bytes) + " bytes";
    else return one->view + page + offset;
    return nullptr;
  }
  for (const HostRange& range : host_ranges()) {
    const size_t size = range.end - range.begin;
    if (address < range.view || address - range.view >= size) continue;
    if (bytes <= size - (address - range.view)) return reinterpret_cast<std::byte*>(range.begin + (address - range.view));
    *why = "ends behind its mapped host memory";
    return nullptr;
  }
  *why = "is no device address";
  return nullptr;
}

std::string hex(uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof(text), "0x%llx", static_cast<unsigned long long>(value));
  return text;
}

}  // namespace

size_t device_capacity() { return setting("LOCKSTEP_STANDIN_BYTES", size_t{8} << 30); }

int allocate_device(int device, size_t bytes, uint64_t* address) {
  if (bytes == 0) return refuse(constant::error_invalid_value, "no bytes are asked for");
  size_t& used = world().devices[static_cast<size_t>(device)].used;
  if (bytes > device_capacity() - used) return constant::error_out_of_memory;
  Allocation one;
  one.device = device;
  one.bytes = bytes;
  one.mapped = page + (bytes + 256 + page - 1) / page * page;
  const int file = memfd_create("lockstep stand-in", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, static_cast<off_t>(one.mapped)) != 0) return constant::error_out_of_memory;
  one.view = static_cast<std::byte*>(mmap(nullptr, one.mapped, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  one.published = static_cast<std::byte*>(mmap(nullptr, one.mapped, PROT_NONE, MAP_SHARED, file, 0));
  close(file);
  if (one.view == MAP_FAILED || one.published == MAP_FAILED) return constant::error_out_of_memory;
  std::memset(one.view + page - 256, zone_byte, 256);
  std::memset(one.view + page + bytes, zone_byte, one.mapped - page - bytes);
  // Nothing is zero by luck.
  const size_t filled = std::min(bytes, size_t{1} << 20);
  std::memset(one.view + page, 0xcd, filled);
  std::memset(one.view + page + bytes - filled, 0xcd, filled);
  one.live = true;
  used += bytes;
  *address = reinterpret_cast<uint64_t>(one.published) + page;
  zones_hold(one);
  allocations()[*address] = one;
  return 0;
}

int free_device(int device, uint64_t address) {
  const auto at = allocations().find(address);
  if (at == allocations().end()) return refuse(constant::error_invalid_value, hex(address) + " is no allocation's address");
  Allocation& one = at->second;
  if (!one.live) return refuse(constant::error_invalid_value, hex(address) + " was freed before");
  if (one.device != device) return refuse(constant::error_invalid_value, hex(address) + " is another device's");
  const bool good = zones_hold(one);
  ASAN_UNPOISON_MEMORY_REGION(one.view, one.mapped);
  munmap(one.view, one.mapped);
  // Lets the bytes go, and keeps the addresses.
  mmap(one.published, one.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  one.live = false;
  world().devices[static_cast<size_t>(device)].used -= one.bytes;
  if (good) return 0;
  refuse(constant::error_illegal_address, "a red zone beside " + hex(address) + " was written");
  kill_device(device, constant::error_illegal_address, "red zone");
  return constant::error_illegal_address;
}

int add_host(HostKind kind, int device, void* host, size_t bytes, unsigned flags) {
  const auto at = reinterpret_cast<uintptr_t>(host);
  if (host == nullptr || bytes == 0) return refuse(constant::error_invalid_value, "no host memory is given");
  const uintptr_t begin = at / page * page, end = (at + bytes + page - 1) / page * page;
  for (const HostRange& other : host_ranges()) {
    if (begin < other.end && other.begin < end) return refuse(constant::error_already_registered, hex(at) + " overlaps a registered range");
  }
  const auto view = reinterpret_cast<uint64_t>(map_nothing(end - begin));
  host_ranges().push_back({kind, device, at, begin, end, flags, view});
  return 0;
}

int remove_host(HostKind kind, void* host) {
  auto& all = host_ranges();
  for (size_t i = 0; i < all.size(); i++) {
    const HostRange range = all[i];
    if (range.host != reinterpret_cast<uintptr_t>(host)) continue;
    if (range.kind != kind) return refuse(constant::error_invalid_value, "this host memory was given to the driver in another way");
    munmap(reinterpret_cast<void*>(range.view), range.end - range.begin);
    if (kind == HostKind::allocated) munmap(host, range.end - range.begin);
    all.erase(all.begin() + static_cast<ptrdiff_t>(i));
    return 0;
  }
  const int code = kind == HostKind::registered ? constant::error_not_registered : constant::error_invalid_value;
  return refuse(code, hex(reinterpret_cast<uintptr_t>(host)) + " is no range's begin");
}

int device_view(int device, void* host, uint64_t* address) {
  const auto at = reinterpret_cast<uintptr_t>(host);
  for (const HostRange& range : host_ranges()) {
    if (at < range.begin || at >= range.end) continue;
    if ((range.flags & constant::host_register_mapped) == 0) return refuse(constant::error_invalid_value, "the host memory is not mapped");
    if (range.device != device && (range.flags & constant::host_register_portable) == 0) {
      return refuse(constant::error_invalid_value, "the host memory is another device's and not portable");
    }
    *address = range.view + (at - range.begin);
    return 0;
  }
  return refuse(constant::error_invalid_value, hex(at) + " is not registered");
}

Pinned pinned(int device, const void* host, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(host), end = begin + bytes;
  bool touched = false;
  for (const HostRange& range : host_ranges()) {
    if (range.device != device && (range.flags & constant::host_register_portable) == 0) continue;
    if (begin >= range.begin && end <= range.end) return Pinned::all;
    touched = touched || (begin < range.end && range.begin < end);
  }
  return touched ? Pinned::part : Pinned::none;
}

std::byte* resolve(int device, uint64_t address, size_t bytes) {
  std::string why;
  std::byte* const found = look(device, address, bytes, &why);
  if (found == nullptr) throw Fault{constant::error_illegal_address, hex(address) + " " + why};
  return found;
}

bool resolves(int device, uint64_t address, size_t bytes) {
  std::string why;
  if (bytes == 0 || look(device, address, bytes, &why) != nullptr) return true;
  refuse(constant::error_invalid_value, hex(address) + " with " + std::to_string(bytes) + " bytes " + why);
  return false;
}

void check_zone(uint64_t address) {
  const Allocation* const one = containing(address);
  if (one != nullptr && one->live && !zones_hold(*one)) {
    throw Fault{constant::error_illegal_address, "a red zone beside " + hex(address) + " was written"};
  }
}

void check_every_zone() {
  for (const auto& [address, one] : allocations()) {
    if (one.live && !zones_hold(one)) refuse(constant::error_illegal_address, "a red zone beside " + hex(address) + " was written");
  }
}

size_t live_allocations() {
  size_t count = 0;
  for (const auto& [address, one] : allocations()) count += one.live ? 1 : 0;
  return count;
}

size_t live_host(HostKind kind) {
  size_t count = 0;
  for (const HostRange& range : host_ranges()) count += range.kind == kind ? 1 : 0;
  return count;
}

}  // namespace standin
