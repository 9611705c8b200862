#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "device.h"

namespace lockstep {

// What a command of a block changes once the block is enqueued; null where nothing.
struct CommandTarget {
  Event* event = nullptr;
  Pool* pool = nullptr;
};

// Reads and checks a command block of `stream`; `operations` and `targets` hold it after. Throws before anything is enqueued,
// with the command's index in `details`.
size_t read_command_block(Device& device, int32_t stream, size_t offset, size_t max_commands,
                          std::vector<Operation>& operations, std::vector<CommandTarget>& targets);

}  // namespace lockstep
