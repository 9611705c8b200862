#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device.h"

namespace lockstep {

// The object that a command changes when the block is enqueued; null for none.
struct CommandTarget {
  Event* event = nullptr;
  Pool* pool = nullptr;
  // A graph that is launched.
  const Baked* launched = nullptr;
};

// Reads and checks a command block of `stream`; `operations` and `targets` hold it after. Throws before anything is enqueued,
// with the command's index in `details`.
size_t read_command_block(Device& device, int32_t stream, size_t offset, size_t max_commands,
                          std::vector<Operation>& operations, std::vector<CommandTarget>& targets);

}  // namespace lockstep
