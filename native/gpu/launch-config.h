#pragma once

#include <cstdint>

namespace lockstep {

// What cuLaunchKernelEx is given beside the parameters; test/abi holds it against the vendor's.
struct LaunchAttribute {
  int id;
  int padding;
  union {
    unsigned cluster[3];
    int flag;
    char bytes[64];
  } value;
};

struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  void* stream;
  const LaunchAttribute* attributes;
  unsigned attribute_count;
};

}  // namespace lockstep
