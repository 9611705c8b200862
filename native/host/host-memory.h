#pragma once

#include "host-captures.h"

namespace lockstep {

// 64-byte aligned and filled with 0xA5, so that a read of what was never written shows. Throws ERR_DEVICE_MEMORY.
std::unique_ptr<Memory> allocate_host_memory(size_t bytes, std::shared_ptr<HostCaptures> captures);

// The device's threads read and write any host memory. Throws ERR_DEVICE_MEMORY.
std::unique_ptr<Staging> allocate_host_staging(size_t bytes);

// What a device address is on the host. Nothing outside host/ turns one into a pointer.
inline std::byte* pointer_of(DeviceAddress address) { return reinterpret_cast<std::byte*>(address.value); }

}  // namespace lockstep
