#pragma once

namespace standin {

// What cuLaunchKernelEx is given beside the parameters; test/abi holds it against the vendor's.
struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  void* stream;
  void* attributes;
  unsigned attribute_count;
};

}  // namespace standin
