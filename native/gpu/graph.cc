#include "graph.h"

#include <algorithm>

#include "memory.h"

namespace lockstep {

GpuGraph::~GpuGraph() {
  if (executable != nullptr) free_quietly(*owner, Held::graphs, [&] { LOCKSTEP_DRIVE(*owner, executable_destroy, executable); });
}

GpuRecording::GpuRecording(std::shared_ptr<GpuDevice> device, void* recorded) : owner(std::move(device)), graph(recorded) {
  const int code = owner->driver.graph_nodes(graph, nullptr, &nodes);
  if (code == 0) return;
  const DeviceError error = owner->context.error(DriverCall::graph_nodes, code);
  // No destructor runs for what was not constructed.
  free_quietly(*owner, Held::recordings, [&] { LOCKSTEP_DRIVE(*owner, graph_destroy, graph); });
  throw error;
}

GpuRecording::~GpuRecording() {
  if (graph != nullptr) free_quietly(*owner, Held::recordings, [&] { LOCKSTEP_DRIVE(*owner, graph_destroy, graph); });
}

std::unique_ptr<GraphBackend> GpuRecording::instantiate() {
  auto made = std::make_unique<GpuGraph>(owner);
  made->nodes = nodes;
  const uint64_t before = free_gpu_bytes(*owner).free;
  {
    const Current current(*owner);
    LOCKSTEP_DRIVE(*owner, graph_instantiate, &made->executable, graph, 0);
    if (owner->driver.graph_upload != nullptr) {
      LOCKSTEP_DRIVE(*owner, graph_upload, made->executable, owner->stream);
      owner->finish_own_work();
    }
  }
  made->bytes = made->driver_bytes = static_cast<size_t>(before - std::min(before, free_gpu_bytes(*owner).free));
  return made;
}

}  // namespace lockstep
