#include "capture.h"
#include "entry.h"
#include "memory.h"
#include "work.h"

namespace standin {

namespace {

constexpr const char* no_graph = "this is no graph of the current device";
constexpr const char* no_executable = "this is no executable graph";

std::shared_ptr<Graph> graph_of(void* handle) {
  const std::shared_ptr<Graph> graph = find(world().graphs, handle);
  return graph != nullptr && graph->device == current().device ? graph : nullptr;
}

std::shared_ptr<Executable> executable_of(void* handle) {
  const std::shared_ptr<Executable> executable = find(world().executables, handle);
  return executable != nullptr && executable->graph->device == current().device ? executable : nullptr;
}

// Lists are given in a first call without their place, for the count, and in a second.
template <class Put>
int give_list(size_t total, bool place, size_t* count, Put put) {
  if (count == nullptr) return refuse(constant::error_invalid_value, "there is no place for the count");
  if (place) {
    for (size_t i = 0; i < *count; i++) put(i);
  }
  if (!place || *count > total) *count = total;
  return 0;
}

}  // namespace

int graph_instantiate(void** executable, void* graph, unsigned long long flags) {
  ENTER(graph_instantiate, device_outside_captures);
  const std::shared_ptr<Graph> from = graph_of(graph);
  if (from == nullptr) return refuse(constant::error_invalid_handle, no_graph);
  if (flags != 0) return refuse(constant::error_invalid_value, "these flags are not ones that are used");
  auto made = std::make_shared<Executable>();
  // A copy: what becomes of the graph does not matter any more. It takes memory of the device, as real ones do.
  made->graph = std::make_shared<Graph>(*from);
  made->bytes = (from->nodes.size() * 4096 + 65535) / 65536 * 65536;
  size_t& used = world().devices[static_cast<size_t>(from->device)].used;
  if (made->bytes > device_capacity() - used) return constant::error_out_of_memory;
  used += made->bytes;
  *executable = world().handle();
  world().executables[*executable] = std::move(made);
  return 0;
}

int graph_destroy(void* graph) {
  ENTER(graph_destroy, device);
  if (graph_of(graph) == nullptr) return refuse(constant::error_invalid_handle, no_graph);
  world().graphs.erase(graph);
  return 0;
}

int graph_nodes(void* graph, void** nodes, size_t* count) {
  ENTER(graph_nodes, device);
  const std::shared_ptr<Graph> from = graph_of(graph);
  if (from == nullptr) return refuse(constant::error_invalid_handle, no_graph);
  return give_list(from->nodes.size(), nodes != nullptr, count,
                 [&](size_t i) { nodes[i] = i < from->nodes.size() ? from->nodes[i].handle : nullptr; });
}

int graph_edges(void* graph, void** from, void** to, size_t* count) {
  ENTER(graph_edges, device);
  const std::shared_ptr<Graph> all = graph_of(graph);
  if (all == nullptr) return refuse(constant::error_invalid_handle, no_graph);
  if ((from == nullptr) != (to == nullptr)) return refuse(constant::error_invalid_value, "one of two lists is missing");
  std::vector<std::pair<void*, void*>> edges;
  for (const Node& node : all->nodes) {
    for (const size_t before : node.after) edges.emplace_back(all->nodes[before].handle, node.handle);
  }
  return give_list(edges.size(), from != nullptr, count, [&](size_t i) {
    from[i] = i < edges.size() ? edges[i].first : nullptr;
    to[i] = i < edges.size() ? edges[i].second : nullptr;
  });
}

int executable_destroy(void* handle) {
  ENTER(executable_destroy, device_outside_captures);
  const std::shared_ptr<Executable> executable = executable_of(handle);
  if (executable == nullptr) return refuse(constant::error_invalid_handle, no_executable);
  if (in_flight(*executable)) return refuse(constant::error_invalid_value, "a launch of it has not ended");
  world().devices[static_cast<size_t>(executable->graph->device)].used -= executable->bytes;
  world().executables.erase(handle);
  return 0;
}

int graph_upload(void* handle, void* on) {
  ENTER(graph_upload, device_outside_captures);
  if (executable_of(handle) == nullptr) return refuse(constant::error_invalid_handle, no_executable);
  if (stream_of(on) == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  return 0;
}

int graph_launch(void* handle, void* on) {
  ENTER(graph_launch, device);
  const std::shared_ptr<Executable> executable = executable_of(handle);
  const std::shared_ptr<Stream> stream = stream_of(on);
  if (executable == nullptr) return refuse(constant::error_invalid_handle, no_executable);
  if (stream == nullptr) return refuse(constant::error_invalid_handle, no_stream);
  if (stream->capture != nullptr) {
    stream->capture->invalid = true;
    return refuse(constant::error_capture_unsupported, "a graph is launched into a capture");
  }
  Item item;
  item.executable = executable;
  item.launch = ++world().next_id;
  executable->launches.push_back(item.launch);
  enqueue(*stream, std::move(item));
  return 0;
}

}  // namespace standin
