#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/backend.h"
#include "gpu/cards.h"
#include "gpu/gpu-backend.h"

namespace lockstep {

// A device as `openDevice` names it: "host", "cuda", "hip", or a card of theirs, "cuda:1".
struct DeviceName {
  std::string kind;
  std::optional<int> ordinal;
};

// Empty for a name that no device has.
std::optional<DeviceName> parse_device_name(const std::string& text);

struct OpenedBackend {
  std::unique_ptr<Backend> backend;
  // Which device it is and why: "cuda:1 NVIDIA H200, local rank 1 (SLURM_LOCALID) of 8 cards".
  std::string choice;
};

// Opens the device. `local`, where it is known, chooses among the cards of a kind; `kernels` may be empty. Throws
// ERR_DEVICE_UNAVAILABLE.
OpenedBackend open_backend(const DeviceName& name, const std::optional<LocalRank>& local, const HipKernels& kernels);

}  // namespace lockstep
