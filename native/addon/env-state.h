#pragma once

#include <napi.h>

#include <memory>
#include <vector>

#include "core/device.h"

namespace lockstep {

enum ClassIndex {
  communicator_class,
  device_class,
  buffer_class,
  event_class,
  graph_class,
  module_class,
  nccl_class,
  pool_class,
  readback_class,
  recording_class,
  stream_class,
  class_count
};

// The state of one JS thread. When its environment ends, every stream thread is joined before any memory is freed.
struct EnvState {
  ~EnvState() { shutdown(); }

  static EnvState& of(Napi::Env env) { return *env.GetInstanceData<EnvState>(); }

  void shutdown() {
    closed = true;
    const auto open = std::move(devices);
    devices.clear();
    for (const auto& weak : open) {
      if (const auto device = weak.lock()) device->close();
    }
  }

  Napi::FunctionReference constructors[class_count];
  // The core object that a constructor call is for: null when JS code calls a constructor itself, which is refused.
  const void* pending = nullptr;
  std::vector<std::weak_ptr<Device>> devices;
  bool closed = false;
};

}  // namespace lockstep
