#include "graph.h"

#include <algorithm>

#include "capture.h"
#include "pool.h"

namespace lockstep {

Graph::Graph(Device& owner, std::unique_ptr<GraphBackend> backend, Charge charge, Baked baked,
             std::shared_ptr<Pool> pool, PoolUse pool_use)
    : device(owner.shared_from_this()),
      id(owner.next_id++),
      backend(std::move(backend)),
      charge(std::move(charge)),
      baked(std::move(baked)),
      pool(std::move(pool)),
      pool_use(pool_use) {
  owner.graphs.emplace(id, this);
}

Graph::~Graph() { release(); }

void Graph::dispose() {
  if (backend == nullptr) return;
  device->require_no_capture("Disposing a graph");
  release();
}

void Graph::release() {
  if (backend == nullptr) return;
  device->graphs.erase(id);
  device->retire(std::move(backend), std::move(charge), uses);
  baked.use(uses);
  baked = Baked();
  pool.reset();
}

Recording::Recording(Capture& capture, std::unique_ptr<RecordingBackend> recorded)
    : device(capture.device), backend(std::move(recorded)), nodes(backend->nodes), baked(std::move(capture.baked)),
      order(std::move(capture.order)) {
  backend->holds = baked.held();
  device->recordings.insert(this);
  if (capture.pool == nullptr) return;
  pool_use = {capture.pool->take_growth(), capture.pool->used - std::min(capture.pool->used, capture.pool_used)};
  if (pool_use.allocated > 0) pool = capture.pool;
}

Recording::~Recording() { device->recordings.erase(this); }

std::shared_ptr<Graph> Recording::instantiate() {
  device->require_open();
  if (backend == nullptr) {
    throw DeviceError("ERR_DISPOSED", "This recording was instantiated or disposed already; capture again.",
                      {{"object", std::string("recording")}});
  }
  device->require_no_capture("Instantiating a graph");
  device->empty_retired();
  Charge charge(device->account, backend->bytes, Charge::For::graph);
  auto graph = backend->instantiate();
  graph->holds = backend->holds;
  // What a driver takes is known afterwards.
  if (graph->bytes > backend->bytes) charge = Charge(device->account, graph->bytes, Charge::For::graph);
  backend.reset();
  device->recordings.erase(this);
  return std::make_shared<Graph>(*device, std::move(graph), std::move(charge), std::move(baked), std::move(pool), pool_use);
}

void Recording::dispose() {
  device->recordings.erase(this);
  backend.reset();
  baked = Baked();
  pool.reset();
}

}  // namespace lockstep
