#include "device.h"

#include "stream.h"

namespace lockstep {

void Account::charge(int64_t bytes, const char* what) {
  const int64_t held = allocated.load();
  if (limit >= 0 && (bytes > limit || held > limit - bytes)) {
    const int64_t available = limit > held ? limit - held : 0;
    throw DeviceError("ERR_DEVICE_MEMORY",
                      std::string(what) + " needs " + std::to_string(bytes) + " bytes, " + std::to_string(available) +
                          " of the limit of " + std::to_string(limit) +
                          " are left. Dispose buffers or graphs, or raise memoryLimit.",
                      {{"needed", bytes}, {"available", available}, {"limit", limit}});
  }
  const int64_t now = allocated.fetch_add(bytes) + bytes;
  if (now > peak) peak = now;
}

void throw_disposed(const char* what, int32_t id) {
  throw DeviceError("ERR_DISPOSED",
                    std::string(what) + " " + std::to_string(id) + " is disposed; use one that is alive.",
                    {{"object", std::string(what)}, {"id", id}});
}

void require_device(const std::shared_ptr<Device>& expected, const std::shared_ptr<Device>& actual, const char* what) {
  if (expected == actual) return;
  throw DeviceError("ERR_DEVICE_MISMATCH",
                    std::string("The ") + what + " belongs to another device; use one made by this stream's device.",
                    {{"object", std::string(what)}});
}

Buffer::Buffer(Device& owner, std::shared_ptr<Memory> memory)
    : device(owner.shared_from_this()), id(owner.next_id++), bytes(memory->bytes), memory(std::move(memory)) {
  owner.buffers.emplace(id, this);
}

Buffer::~Buffer() { device->buffers.erase(id); }

void Buffer::dispose() {
  if (memory == nullptr) return;
  if (baked > 0) {
    throw DeviceError("ERR_DEVICE_BUSY",
                      "Buffer " + std::to_string(id) + " has its address in " + std::to_string(baked) +
                          " graphs or captures; dispose those first.",
                      {{"buffer", id}, {"graphs", baked}});
  }
  memory.reset();
  device->buffers.erase(id);
}

Event::Event(Device& owner) : device(owner.shared_from_this()), id(owner.next_id++) {
  owner.events.emplace(id, this);
}

Event::~Event() { device->events.erase(id); }

void Event::dispose() {
  backend.reset();
  capture.reset();
  device->events.erase(id);
}

Graph::Graph(Device& owner, std::shared_ptr<GraphBackend> backend, std::vector<std::shared_ptr<Buffer>> baked)
    : device(owner.shared_from_this()), id(owner.next_id++), backend(std::move(backend)), baked(std::move(baked)) {
  owner.graphs.emplace(id, this);
  for (const auto& buffer : this->baked) buffer->baked++;
}

Graph::~Graph() { dispose(); }

void Graph::dispose() {
  backend.reset();
  for (const auto& buffer : baked) buffer->baked--;
  baked.clear();
  device->graphs.erase(id);
}

Device::Device(std::unique_ptr<Backend> backend, int64_t memory_limit)
    : account(std::make_shared<Account>()), backend_(std::move(backend)) {
  account->limit = memory_limit;
}

Device::~Device() { close(); }

void Device::require_open() const {
  if (closed_) throw DeviceError("ERR_DISPOSED", "The device is disposed; open another.", {{"object", "device"}});
}

std::shared_ptr<Buffer> Device::allocate(size_t bytes) {
  require_open();
  const auto size = static_cast<int64_t>(bytes);
  account->charge(size, "A buffer");
  std::unique_ptr<Memory> memory;
  try {
    memory = backend_->allocate(bytes);
  } catch (...) {
    account->allocated -= size;
    throw;
  }
  std::shared_ptr<Memory> shared(memory.release(), [account = account, size](Memory* freed) {
    delete freed;
    account->allocated -= size;
  });
  return std::make_shared<Buffer>(*this, std::move(shared));
}

std::shared_ptr<GraphBackend> Device::charge_graph(std::unique_ptr<GraphBackend> graph) {
  const auto size = static_cast<int64_t>(graph->bytes);
  account->charge(size, "A graph");
  account->graph_bytes += size;
  return std::shared_ptr<GraphBackend>(graph.release(), [account = account, size](GraphBackend* freed) {
    delete freed;
    account->graph_bytes -= size;
    account->allocated -= size;
  });
}

std::shared_ptr<Stream> Device::create_stream() {
  require_open();
  auto stream = std::make_shared<Stream>(*this, backend_->create_stream());
  streams_.emplace(stream->id, stream);
  return stream;
}

void Device::release_stream(Stream& stream) { streams_.erase(stream.id); }

std::shared_ptr<Event> Device::create_event() {
  require_open();
  auto event = std::make_shared<Event>(*this);
  event->backend = backend_->create_event();
  return event;
}

std::shared_ptr<Module> Device::load_module(const std::string* path) {
  require_open();
  return backend_->load_module(path);
}

void Device::bind_arena(std::byte* address, size_t bytes, std::shared_ptr<void> hold) {
  require_open();
  if (arena_hold_ != nullptr) {
    throw DeviceError("ERR_DEVICE_BUSY", "The device has an arena already; bind one, once, to each device.");
  }
  arena = address;
  arena_bytes = bytes;
  arena_hold_ = std::move(hold);
}

void Device::close() {
  if (closed_) return;
  closed_ = true;
  auto streams = std::move(streams_);
  streams_.clear();
  for (const auto& [id, stream] : streams) stream->dispose();
  // A graph that goes may be the last holder of a buffer, which then leaves the map: take a copy of what is iterated.
  const auto all_graphs = graphs;
  for (const auto& [id, graph] : all_graphs) graph->dispose();
  const auto all_buffers = buffers;
  for (const auto& [id, buffer] : all_buffers) {
    if (buffers.count(id) != 0) buffer->memory.reset();
  }
  buffers.clear();
  const auto all_events = events;
  for (const auto& [id, event] : all_events) event->dispose();
  arena = nullptr;
  arena_bytes = 0;
  arena_hold_.reset();
}

}  // namespace lockstep
