#pragma once

#include "world.h"

namespace standin {

// Device memory is seen in two places: the address that callers get cannot be read or written by anyone, and work runs on another
// view of the same bytes. Red zones of 0xA5 lie on both sides.

int allocate_device(int device, size_t bytes, uint64_t* address);
int free_device(int device, uint64_t address);

enum class HostKind { allocated, registered };
int add_host(HostKind kind, int device, void* host, size_t bytes, unsigned flags);
int remove_host(HostKind kind, void* host);
int device_view(int device, void* host, uint64_t* address);

// How much of a range of host memory the driver knows.
enum class Pinned { none, part, all };
Pinned pinned(int device, const void* host, size_t bytes);

// Where work finds a range of device memory; throws Fault where it does not lie in one live allocation of the device, or
// in one mapped host range.
std::byte* resolve(int device, uint64_t address, size_t bytes);
// Whether `resolve` would find it; a range of no bytes lies anywhere.
bool resolves(int device, uint64_t address, size_t bytes);

// Throws Fault where a red zone of the allocation at `address` was written.
void check_zone(uint64_t address);
void check_every_zone();

size_t live_allocations();
size_t live_host(HostKind kind);
size_t device_capacity();

}  // namespace standin
