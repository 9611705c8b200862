#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "entry.h"
#include "kernels.h"
#include "memory.h"
#include "work.h"

namespace standin {

World& world() {
  static World* const one = new World;
  return *one;
}

Current& current() {
  static thread_local Current mine;
  return mine;
}

size_t setting(const char* name, size_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr || *text == '\0' ? otherwise : std::strtoull(text, nullptr, 10);
}

std::string setting(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}

namespace {

uint64_t chosen_seed() {
  const size_t now = static_cast<size_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  return setting("LOCKSTEP_STANDIN_SEED", setting("LOCKSTEP_SEED", now));
}

bool exists(int device) { return device >= 0 && static_cast<size_t>(device) < world().devices.size(); }

int put_text(const std::string& text, char* to, int length) {
  if (to == nullptr || length < 1) return refuse(constant::error_invalid_value, "no room for the text");
  std::snprintf(to, static_cast<size_t>(length), "%s", text.c_str());
  return 0;
}

}  // namespace

int init(unsigned flags) {
  ENTER(init, nothing);
  World& all = world();
  if (flags != 0) return refuse(constant::error_invalid_value, "flags must be 0");
  if (all.started) return 0;
  const size_t count = setting("LOCKSTEP_STANDIN_DEVICES", 1);
  if (count == 0) return constant::error_no_device;
  all.seed = chosen_seed();
  all.random.seed(all.seed);
  all.devices.resize(count);
  for (Device& device : all.devices) device.context = all.handle();
  all.started = true;
  start_worker();
  return 0;
}

int driver_version(int* version) {
  ENTER(driver_version, nothing);
#ifdef STANDIN_HIP
  *version = static_cast<int>(setting("LOCKSTEP_STANDIN_VERSION", 60342131));
#else
  *version = static_cast<int>(setting("LOCKSTEP_STANDIN_VERSION", 12080));
#endif
  return 0;
}

int runtime_version(int* version) {
  ENTER(runtime_version, nothing);
  *version = static_cast<int>(setting("LOCKSTEP_STANDIN_VERSION", 60342131));
  return 0;
}

int device_count(int* count) {
  ENTER(device_count, start);
  *count = static_cast<int>(world().devices.size());
  return 0;
}

int device_get(int* device, int ordinal) {
  ENTER(device_get, start);
  if (!exists(ordinal)) return refuse(constant::error_invalid_device, "there is no such device");
  *device = ordinal;
  return 0;
}

int device_name(char* name, int length, int device) {
  ENTER(device_name, start);
  return exists(device) ? put_text("lockstep stand-in", name, length) : refuse(constant::error_invalid_device, "there is no such device");
}

int device_pci(char* id, int length, int device) {
  ENTER(device_pci, start);
  if (!exists(device)) return refuse(constant::error_invalid_device, "there is no such device");
  char text[32];
  std::snprintf(text, sizeof(text), "0000:%02x:00.0", 0x10 + device);
  return put_text(text, id, length);
}

int device_bytes(size_t* bytes, int device) {
  ENTER(device_bytes, start);
  if (!exists(device)) return refuse(constant::error_invalid_device, "there is no such device");
  *bytes = device_capacity();
  return 0;
}

int device_attribute(int* value, int attribute, int device) {
  ENTER(device_attribute, start);
  if (!exists(device)) return refuse(constant::error_invalid_device, "there is no such device");
  switch (attribute) {
    case constant::device_max_threads: *value = 1024; return 0;
    case constant::device_max_shared: *value = 48 << 10; return 0;
#ifdef STANDIN_HIP
    case constant::device_warp: *value = 64; return 0;
#else
    case constant::device_warp: *value = 32; return 0;
    case constant::device_max_shared_asked: *value = 227 << 10; return 0;
#endif
    case constant::device_processors: *value = 4; return 0;
    case constant::device_unified: *value = 1; return 0;
    // What is given for host memory is another address than the host's.
    case constant::device_host_pointer: *value = 0; return 0;
    case constant::device_major: *value = pretended_arch().major; return 0;
    case constant::device_minor: *value = pretended_arch().minor; return 0;
    default: return refuse(constant::error_invalid_value, "attribute " + std::to_string(attribute) + " is not one that is used");
  }
}

int context_retain(void** context, int device) {
  ENTER(context_retain, start);
  if (!exists(device)) return refuse(constant::error_invalid_device, "there is no such device");
  *context = world().devices[static_cast<size_t>(device)].context;
  return 0;
}

int context_current(void* context) {
  ENTER(context_current, start);
  const auto& all = world().devices;
  for (size_t i = 0; i < all.size(); i++) {
    if (all[i].context == context) return current().device = static_cast<int>(i), 0;
  }
  return refuse(constant::error_invalid_context, "this is no context");
}

int device_current(int device) {
  ENTER(device_current, start);
  if (!exists(device)) return refuse(constant::error_invalid_device, "there is no such device");
  current().device = device;
  return 0;
}

int memory_info(size_t* free, size_t* total) {
  ENTER(memory_info, device);
  *total = device_capacity();
  *free = *total - world().devices[static_cast<size_t>(current().device)].used;
  return 0;
}

int memory_allocate(uint64_t* address, size_t bytes) {
  ENTER(memory_allocate, device_outside_captures);
  return allocate_device(current().device, bytes, address);
}

int memory_free(uint64_t address) {
  ENTER(memory_free, device_outside_captures);
  return free_device(current().device, address);
}

int stream_priorities(int* least, int* greatest) {
  ENTER(stream_priorities, device);
  if (least != nullptr) *least = 0;
  if (greatest != nullptr) *greatest = -5;
  return 0;
}

}  // namespace standin
