#pragma once

#include "gpu-device.h"

namespace lockstep {

struct GpuGraph final : GraphBackend {
  explicit GpuGraph(std::shared_ptr<GpuDevice> owner) : owner(std::move(owner)) {}
  ~GpuGraph() override;

  const std::shared_ptr<GpuDevice> owner;
  void* executable = nullptr;
};

// What the end of a capture gave.
struct GpuRecording final : RecordingBackend {
  // Takes over the driver's graph.
  GpuRecording(std::shared_ptr<GpuDevice> owner, void* graph);
  ~GpuRecording() override;
  std::unique_ptr<GraphBackend> instantiate() override;

  const std::shared_ptr<GpuDevice> owner;
  void* graph;
};

}  // namespace lockstep
