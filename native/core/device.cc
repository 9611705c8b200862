#include "device.h"

#include <algorithm>

#include "capture.h"
#include "graph.h"
#include "stream.h"

namespace lockstep {

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

Buffer::Buffer(Device& owner, std::unique_ptr<Memory> memory, Charge charge)
    : device(owner.shared_from_this()),
      id(owner.next_id++),
      bytes(memory->bytes),
      memory(std::move(memory)),
      charge(std::move(charge)) {
  owner.buffers.emplace(id, this);
}

Buffer::Buffer(std::shared_ptr<Buffer> of, size_t offset, size_t size)
    : device(of->device), id(device->next_id++), bytes(size), memory(std::make_unique<Memory>()), whole(std::move(of)) {
  memory->address = whole->memory->address + offset;
  memory->bytes = size;
  whole->ranges++;
  device->buffers.emplace(id, this);
}

Buffer::~Buffer() {
  device->buffers.erase(id);
  if (memory != nullptr) release();
}

// What used a range used the whole.
void Buffer::release() {
  if (whole == nullptr) return device->retire(std::move(memory), std::move(charge), uses);
  memory.reset();
  whole->uses.add(uses);
  whole->ranges--;
  whole.reset();
}

std::shared_ptr<Buffer> Buffer::range_of(const std::shared_ptr<Buffer>& whole, int64_t offset, int64_t bytes) {
  whole->device->require_open();
  if (whole->memory == nullptr) throw_disposed("buffer", whole->id);
  constexpr int64_t alignment = 16;
  const auto actual = static_cast<int64_t>(whole->bytes);
  if (offset < 0 || bytes < 1 || offset % alignment != 0) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "A range of " + std::to_string(bytes) + " bytes from byte " + std::to_string(offset) +
                          " on is none; give a multiple of " + std::to_string(alignment) + ", and at least one byte.",
                      {{"offset", offset}, {"bytes", bytes}});
  }
  if (offset > actual || bytes > actual - offset) {
    throw DeviceError("ERR_LAUNCH_BOUNDS",
                      "A range of " + std::to_string(bytes) + " bytes from byte " + std::to_string(offset) + " on is not within buffer " +
                          std::to_string(whole->id) + ", which has " + std::to_string(actual) + ".",
                      {{"buffer", whole->id}, {"offset", offset}, {"bytes", bytes}, {"actual", actual}});
  }
  // A range of a range is one of the buffer itself, so that ranges keep no chain of each other.
  if (whole->whole == nullptr) return std::make_shared<Buffer>(whole, static_cast<size_t>(offset), static_cast<size_t>(bytes));
  const uint64_t begin = whole->memory->address.value - whole->whole->memory->address.value;
  return std::make_shared<Buffer>(whole->whole, static_cast<size_t>(begin) + static_cast<size_t>(offset), static_cast<size_t>(bytes));
}

void Buffer::dispose() {
  if (memory == nullptr) return;
  if (baked > 0) {
    throw DeviceError("ERR_DEVICE_BUSY",
                      "Buffer " + std::to_string(id) + " has its address in " + std::to_string(baked) +
                          " graphs or captures; dispose those first.",
                      {{"buffer", id}, {"graphs", baked}});
  }
  if (ranges > 0) {
    throw DeviceError("ERR_DEVICE_BUSY",
                      "Buffer " + std::to_string(id) + " has " + std::to_string(ranges) + " ranges; dispose those first.",
                      {{"buffer", id}, {"ranges", ranges}});
  }
  device->require_no_capture("Disposing a buffer");
  device->buffers.erase(id);
  release();
}

LoadedModule::LoadedModule(Device& owner, std::unique_ptr<Module> module)
    : device(owner.shared_from_this()), id(owner.next_id++), module(std::move(module)) {
  owner.modules.emplace(id, this);
}

LoadedModule::~LoadedModule() {
  device->modules.erase(id);
  if (module != nullptr) device->retire(std::move(module), Charge(), uses);
}

void LoadedModule::dispose() {
  if (disposed) return;
  device->require_no_capture("Unloading a module");
  disposed = true;
  unload_if_unused();
}

void LoadedModule::unload_if_unused() {
  if (!disposed || baked > 0 || module == nullptr) return;
  device->modules.erase(id);
  device->retire(std::move(module), Charge(), uses);
}

Event::Event(Device& owner, bool named) : device(owner.shared_from_this()), id(named ? owner.next_id++ : 0) {
  if (named) owner.events.emplace(id, this);
  else owner.unnamed_events.insert(this);
}

Event::~Event() { dispose(); }

void Event::dispose() {
  disposed = true;
  mark.reset();
  capture.reset();
  if (id != 0) device->events.erase(id);
  else device->unnamed_events.erase(this);
}

Baked& Baked::operator=(Baked&& other) {
  release();
  buffers_ = std::move(other.buffers_);
  modules_ = std::move(other.modules_);
  staging_ = std::move(other.staging_);
  sharers_ = std::move(other.sharers_);
  return *this;
}

Baked::~Baked() { release(); }

void Baked::add(const std::shared_ptr<Buffer>& buffer) {
  if (std::find(buffers_.begin(), buffers_.end(), buffer) != buffers_.end()) return;
  buffers_.push_back(buffer);
  buffer->baked++;
}

void Baked::add(const std::shared_ptr<LoadedModule>& module) {
  if (std::find(modules_.begin(), modules_.end(), module) != modules_.end()) return;
  modules_.push_back(module);
  module->baked++;
}

void Baked::add(const std::shared_ptr<Sharer>& sharer) {
  if (!holds(*sharer)) sharers_.push_back(sharer);
}

bool Baked::holds(const Sharer& sharer) const {
  return std::any_of(sharers_.begin(), sharers_.end(), [&](const auto& one) { return one.get() == &sharer; });
}

std::vector<std::shared_ptr<void>> Baked::held() const {
  std::vector<std::shared_ptr<void>> all;
  for (const auto& sharer : sharers_) all.push_back(sharer->held());
  return all;
}

void Baked::launched(const std::shared_ptr<Mark>& mark) const {
  for (const auto& sharer : sharers_) sharer->launched(mark);
}

void Baked::use(const Uses& uses) const {
  for (const auto& buffer : buffers_) buffer->uses.add(uses);
  for (const auto& module : modules_) module->uses.add(uses);
  for (const auto& piece : staging_) piece->uses.add(uses);
}

void Baked::release() {
  // Destroying one may release the last reference to a buffer, so iterate over a copy.
  const auto buffers = std::move(buffers_);
  const auto modules = std::move(modules_);
  const auto sharers = std::move(sharers_);
  buffers_.clear();
  modules_.clear();
  staging_.clear();
  sharers_.clear();
  for (const auto& buffer : buffers) buffer->baked--;
  for (const auto& module : modules) {
    module->baked--;
    module->unload_if_unused();
  }
}

Device::Device(std::unique_ptr<Backend> backend, int64_t memory_limit)
    : account(std::make_shared<Account>()), backend_(std::move(backend)) {
  account->limit = memory_limit;
}

Device::~Device() { close(); }

void Device::require_open() const {
  if (closed_) throw DeviceError("ERR_DISPOSED", "The device is disposed; open another.", {{"object", "device"}});
}

void Device::require_no_capture(const std::string& what) const {
  if (captures.empty()) return;
  const int32_t stream = captures.front()->members.front().stream->id;
  throw DeviceError("ERR_DEVICE_CAPTURE",
                    what + " is not possible while stream " + std::to_string(stream) + " captures; end the capture first.",
                    {{"stream", stream}});
}

std::shared_ptr<Buffer> Device::allocate(size_t bytes) {
  require_open();
  require_no_capture("Allocating a buffer");
  empty_retired();
  Charge charge(account, bytes, Charge::For::buffer);
  auto memory = backend_->allocate(bytes);
  return std::make_shared<Buffer>(*this, std::move(memory), std::move(charge));
}

void Device::retire(std::unique_ptr<Resource> resource, Charge charge, const Uses& uses) {
  retired_.add(std::move(resource), std::move(charge), uses);
  empty_retired();
}

void Device::empty_retired() {
  if (captures.empty() && retired_.size() > 0) retired_.empty(*this);
}

std::unique_ptr<Staging> Device::allocate_staging(size_t bytes) {
  require_open();
  return backend_->allocate_staging(bytes);
}

std::shared_ptr<Stream> Device::create_stream(int priority) {
  require_open();
  auto stream = std::make_shared<Stream>(*this, backend_->create_stream(priority));
  streams_.emplace(stream->id, stream);
  return stream;
}

void Device::release_stream(Stream& stream) { streams_.erase(stream.id); }

Stream* Device::stream(int32_t id) const {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

std::shared_ptr<Event> Device::create_event(bool named) {
  require_open();
  return std::make_shared<Event>(*this, named);
}

std::shared_ptr<LoadedModule> Device::load_module(const std::string* path) {
  require_open();
  require_no_capture("Loading a module");
  return std::make_shared<LoadedModule>(*this, backend_->load_module(path));
}

std::shared_ptr<LoadedModule> Device::load_image(std::string image, const std::string& name) {
  require_open();
  require_no_capture("Loading a module");
  return std::make_shared<LoadedModule>(*this, backend_->load_image(std::move(image), name));
}

const ArenaPin& Device::bind_arena(std::byte* address, size_t bytes, std::shared_ptr<void> hold) {
  require_open();
  require_no_capture("Binding an arena");
  if (arena_hold_ != nullptr) {
    throw DeviceError("ERR_DEVICE_BUSY", "The device has an arena already; bind one, once, to each device.");
  }
  arena_pin_ = backend_->pin_arena(address, bytes);
  arena = address;
  arena_bytes = bytes;
  arena_hold_ = std::move(hold);
  return *arena_pin_;
}

void Device::close() {
  if (closed_) return;
  closed_ = true;
  // One that leaves may be the last reference to itself.
  const auto each_sharer = [this](void (Sharer::*end)()) {
    const auto all = sharers;
    for (Sharer* const sharer : all) {
      if (std::find(sharers.begin(), sharers.end(), sharer) != sharers.end()) (sharer->*end)();
    }
  };
  each_sharer(&Sharer::leave);
  // Streams abandon their captures before they end.
  const auto streams = streams_;
  for (const auto& [id, stream] : streams) stream->dispose();
  each_sharer(&Sharer::release);
  while (!recordings.empty()) (*recordings.begin())->dispose();
  // Destroying a graph may release the last reference to a buffer, which then leaves the map, so iterate over a copy.
  const auto all_graphs = graphs;
  for (const auto& [id, graph] : all_graphs) graph->release();
  const auto all_buffers = buffers;
  for (const auto& [id, buffer] : all_buffers) {
    if (buffers.count(id) == 0) continue;
    buffer->memory.reset();
    buffer->charge = Charge();
  }
  buffers.clear();
  for (const auto& [id, module] : modules) {
    module->disposed = true;
    module->module.reset();
  }
  modules.clear();
  const auto all_events = events;
  for (const auto& [id, event] : all_events) event->dispose();
  const auto unnamed = unnamed_events;
  for (Event* const event : unnamed) event->dispose();
  retired_.clear();
  staging.clear();
  arena = nullptr;
  arena_bytes = 0;
  arena_pin_.reset();
  // The work of a device that is lost may still use it.
  if (arena_hold_ != nullptr && backend_->lost() != nullptr) static_cast<void>(new std::shared_ptr<void>(arena_hold_));
  arena_hold_.reset();
  backend_->close();
}

}  // namespace lockstep
