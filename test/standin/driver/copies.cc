#include <sys/mman.h>

#include <cstring>

#include "capture.h"
#include "entry.h"
#include "memory.h"
#include "work.h"

namespace standin {

namespace {


bool refuses_pageable() {
  static const bool refuses = setting("LOCKSTEP_STANDIN_PAGEABLE") == "refuse";
  return refuses;
}

// What is wrong with the host's side of a copy, or 0.
int check_host(const void* host, size_t bytes, Pinned kind) {
  if (host == nullptr && bytes > 0) return refuse(constant::error_invalid_value, "the host address is null");
  if (kind == Pinned::part) return refuse(constant::error_invalid_value, "the host memory is registered in part");
  if (kind == Pinned::none && bytes > 0 && refuses_pageable()) return refuse(constant::error_invalid_value, "the host memory is not registered");
  return 0;
}

// What was registered when the copy was asked for has to be so when it runs.
void still_pinned(int device, const void* host, size_t bytes) {
  if (bytes > 0 && pinned(device, host, bytes) != Pinned::all) {
    throw Fault{constant::error_illegal_address, "its host memory is no longer registered"};
  }
}

}  // namespace

int host_allocate(void** host, size_t bytes, unsigned flags) {
  ENTER(host_allocate, device_outside_captures);
  if ((flags & ~unsigned{constant::host_allocate_portable | constant::host_allocate_mapped}) != 0) {
    return refuse(constant::error_invalid_value, "these flags are not ones that are used");
  }
  if (bytes == 0) return refuse(constant::error_invalid_value, "no bytes are asked for");
  void* const made = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made == MAP_FAILED) return constant::error_out_of_memory;
  *host = made;
  return add_host(HostKind::allocated, current().device, made, bytes, flags);
}

int host_free(void* host) {
  ENTER(host_free, device_outside_captures);
  return remove_host(HostKind::allocated, host);
}

int host_register(void* host, size_t bytes, unsigned flags) {
  ENTER(host_register, device_outside_captures);
  if ((flags & ~unsigned{constant::host_register_portable | constant::host_register_mapped}) != 0) {
    return refuse(constant::error_invalid_value, "these flags are not ones that are used");
  }
  return add_host(HostKind::registered, current().device, host, bytes, flags);
}

int host_unregister(void* host) {
  ENTER(host_unregister, device_outside_captures);
  return remove_host(HostKind::registered, host);
}

int host_device_address(uint64_t* address, void* host, unsigned flags) {
  ENTER(host_device_address, device);
  if (flags != 0) return refuse(constant::error_invalid_value, "flags must be 0");
  return device_view(current().device, host, address);
}

int copy_to_device(uint64_t to, const void* from, size_t bytes, void* on) {
  ENTER(copy_to_device, device);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  const int device = stream->device;
  const Pinned kind = pinned(device, from, bytes);
  if (const int code = check_host(from, bytes, kind); code != 0) return code;
  if (!resolves(device, to, bytes)) return constant::error_invalid_value;
  if (bytes == 0) return 0;
  if (kind == Pinned::none && stream->capture == nullptr) {
    // Copied before the call returns, as a driver stages pageable memory.
    std::vector<std::byte> staged(static_cast<const std::byte*>(from), static_cast<const std::byte*>(from) + bytes);
    return submit(*stream, {"copy to the device", [=, staged = std::move(staged)] { std::memcpy(resolve(device, to, bytes), staged.data(), bytes); }, {}});
  }
  // Read when the copy runs; by a graph, at each replay.
  return submit(*stream, {"copy to the device", [=] {
                            if (kind == Pinned::all) still_pinned(device, from, bytes);
                            std::memcpy(resolve(device, to, bytes), from, bytes);
                          }, {}});
}

int copy_to_host(void* to, uint64_t from, size_t bytes, void* on) {
  ENTER(copy_to_host, device);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  const int device = stream->device;
  const Pinned kind = pinned(device, to, bytes);
  if (const int code = check_host(to, bytes, kind); code != 0) return code;
  if (!resolves(device, from, bytes)) return constant::error_invalid_value;
  if (bytes == 0) return 0;
  const int code = submit(*stream, {"copy to the host", [=] {
                                      if (kind == Pinned::all) still_pinned(device, to, bytes);
                                      std::memcpy(to, resolve(device, from, bytes), bytes);
                                    }, {}});
  // A driver returns from a copy to pageable memory when it is done.
  while (kind == Pinned::none && code == 0 && stream->capture == nullptr && !stream->items.empty()) {
    const size_t before = pending();
    pump(1);
    if (pending() == before && world().devices[static_cast<size_t>(device)].fault != 0) break;
  }
  return code;
}

int copy_within(uint64_t to, uint64_t from, size_t bytes, void* on) {
  ENTER(copy_within, device);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  const int device = stream->device;
  if (!resolves(device, to, bytes) || !resolves(device, from, bytes)) return constant::error_invalid_value;
  if (bytes == 0) return 0;
  if (from < to + bytes && to < from + bytes) return refuse(constant::error_invalid_value, "the places overlap");
  return submit(*stream, {"copy", [=] { std::memcpy(resolve(device, to, bytes), resolve(device, from, bytes), bytes); }, {}});
}

int fill_words(uint64_t to, unsigned value, size_t count, void* on) {
  ENTER(fill_words, device);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (to % 4 != 0) return refuse(constant::error_invalid_value, "the address is not a multiple of 4");
  const int device = stream->device;
  if (count > SIZE_MAX / 4 || !resolves(device, to, count * 4)) return constant::error_invalid_value;
  if (count == 0) return 0;
  return submit(*stream, {"fill", [=] {
                            std::byte* const words = resolve(device, to, count * 4);
                            for (size_t i = 0; i < count; i++) std::memcpy(words + i * 4, &value, 4);
                          }, {}});
}

}  // namespace standin
