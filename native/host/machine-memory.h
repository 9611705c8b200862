#pragma once

#include <cstdint>
#include <string>

namespace lockstep {

// Bytes a process of this machine can still write to: the least of the kernel's and the control group's figures, page cache that
// can be dropped included; the largest uint64_t where neither says anything. `root` is where /proc and /sys begin.
uint64_t available_memory(const std::string& root = "");

// Bytes of memory the machine has; the largest uint64_t where it does not say.
uint64_t machine_memory(const std::string& root = "");

}  // namespace lockstep
