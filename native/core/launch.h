#pragma once

#include <memory>
#include <vector>

#include "device.h"

namespace lockstep {

// An argument as JS gave it: a buffer from a byte offset on, or a scalar.
struct LaunchArgument {
  std::shared_ptr<Buffer> buffer;
  int64_t offset = 0;
  int64_t scalar = 0;
};

// A parameter of a kernel from an image: a buffer's address, from a byte offset on, or the low `bytes` bytes of a word.
struct RawArgument {
  std::shared_ptr<Buffer> buffer;
  int64_t offset = 0;
  uint64_t word = 0;
  uint8_t bytes = 8;
};

// Checks devices, offsets and, where they are known, the sizes of parameters. Throws ERR_LAUNCH_INVALID, ERR_LAUNCH_BOUNDS,
// ERR_DEVICE_MISMATCH or ERR_DISPOSED.
std::shared_ptr<const Launch> check_raw_launch(const std::shared_ptr<Device>& device, const Module& module, RawLaunch sizes,
                                               const std::vector<RawArgument>& arguments);

// Checks count, kinds, ranges, devices and sizes. Throws ERR_LAUNCH_INVALID, ERR_LAUNCH_BOUNDS, ERR_DEVICE_MISMATCH or
// ERR_DISPOSED, naming the kernel and the argument.
std::shared_ptr<const Launch> check_launch(const std::shared_ptr<Device>& device, const Module& module, size_t kernel,
                                           const std::vector<LaunchArgument>& arguments);

}  // namespace lockstep
