#include "stream.h"

#include <algorithm>
#include <cstring>

#include "command-block.h"
#include "pool.h"

namespace lockstep {

namespace {

// How long the work of a stream may take to end when it is disposed.
constexpr double close_ms = 10000;

[[noreturn]] void capture_error(const std::string& message, int32_t stream) {
  throw DeviceError("ERR_DEVICE_CAPTURE", message, {{"stream", stream}});
}

// Where a copy of `bytes` at `offset` of the buffer begins.
DeviceAddress copy_address(const Stream& stream, const Buffer& buffer, int64_t offset, size_t bytes) {
  require_device(stream.device, buffer.device, "buffer");
  if (buffer.memory == nullptr) throw_disposed("buffer", buffer.id);
  if (offset < 0 || static_cast<size_t>(offset) > buffer.bytes || bytes > buffer.bytes - static_cast<size_t>(offset)) {
    throw DeviceError("ERR_LAUNCH_BOUNDS",
                      "The copy ends at byte " + std::to_string(offset + static_cast<int64_t>(bytes)) + " of buffer " +
                          std::to_string(buffer.id) + ", which has " + std::to_string(buffer.bytes) + ".",
                      {{"buffer", buffer.id},
                       {"offset", offset},
                       {"bytes", bytes},
                       {"needed", offset + static_cast<int64_t>(bytes)},
                       {"actual", buffer.bytes}});
  }
  return buffer.memory->address + static_cast<uint64_t>(offset);
}

}  // namespace

Stream::Stream(Device& owner, std::shared_ptr<StreamBackend> backend)
    : device(owner.shared_from_this()), id(owner.next_id++), backend_(std::move(backend)) {}

Stream::~Stream() { dispose(); }

void Stream::dispose() {
  if (backend_ == nullptr) return;
  if (capture_ != nullptr) {
    // Whether this stream began the capture or joined it, the capture ends for all.
    const auto capture = capture_;
    capture->members.front().stream->backend_->abandon_capture();
    capture->end();
  }
  for (Sharer* const sharer : device->sharers) sharer->closing();
  const auto backend = std::move(backend_);
  backend->close(close_ms);
  // Marks that operations waited for.
  operations_.clear();
  device->release_stream(*this);
}

void Stream::require_usable() const {
  device->require_open();
  if (backend_ == nullptr) throw_disposed("stream", id);
  if (const auto failure = backend_->failure()) throw DeviceError(failure->error);
}

void Stream::require_not_capturing(const char* what) const {
  if (capture_ == nullptr) return;
  capture_error(std::string(what) + " is not possible on stream " + std::to_string(id) +
                    " while it captures; end the capture first.",
                id);
}

void Stream::use(const std::shared_ptr<Buffer>& buffer) {
  if (capture_ != nullptr) capture_->baked.add(buffer);
  else buffer->uses.add(id);
}

void Stream::use(const std::shared_ptr<LoadedModule>& module) {
  if (capture_ != nullptr) capture_->baked.add(module);
  else module->uses.add(id);
}

void Stream::enqueue_one(Operation operation, std::string name) {
  backend_->enqueue(&operation, 1);
  if (capture_ == nullptr) return;
  capture_->member(*this).operations++;
  if (!name.empty()) capture_->add(*this, std::move(name));
}

void Stream::launch(const std::shared_ptr<LoadedModule>& module, size_t kernel,
                    const std::vector<LaunchArgument>& arguments) {
  require_usable();
  Operation operation;
  operation.kind = Operation::Kind::launch;
  operation.launch = check_launch(device, *module->module, kernel, arguments);
  use(module);
  for (const auto& argument : arguments) {
    if (argument.buffer != nullptr) use(argument.buffer);
  }
  enqueue_one(std::move(operation), module->module->kernels[kernel].name);
}

void Stream::launch_raw(const std::shared_ptr<LoadedModule>& module, RawLaunch sizes, const std::vector<RawArgument>& arguments) {
  require_usable();
  Operation operation;
  operation.kind = Operation::Kind::launch;
  const std::string name = sizes.name;
  operation.launch = check_raw_launch(device, *module->module, std::move(sizes), arguments);
  use(module);
  for (const auto& argument : arguments) {
    if (argument.buffer != nullptr) use(argument.buffer);
  }
  enqueue_one(std::move(operation), name);
}

void Stream::upload(const std::shared_ptr<Buffer>& buffer, int64_t offset, const std::byte* source, size_t bytes) {
  require_usable();
  Operation operation;
  operation.kind = Operation::Kind::upload;
  operation.device = copy_address(*this, *buffer, offset, bytes);
  auto piece = device->staging.take(*device, bytes);
  if (bytes > 0) std::memcpy(piece->host(), source, bytes);
  operation.host = piece->host();
  operation.bytes = bytes;
  use(buffer);
  enqueue_one(std::move(operation), "upload");
  if (capture_ != nullptr) capture_->baked.add(std::move(piece));
  else piece->uses.add(id);
}

std::shared_ptr<StagingPiece> Stream::download(const std::shared_ptr<Buffer>& buffer, int64_t offset, size_t bytes) {
  require_usable();
  device->require_no_capture("A download");
  Operation operation;
  operation.kind = Operation::Kind::download;
  operation.device = copy_address(*this, *buffer, offset, bytes);
  auto piece = device->staging.take(*device, bytes);
  operation.host = piece->host();
  operation.bytes = bytes;
  use(buffer);
  enqueue_one(std::move(operation));
  piece->uses.add(id);
  return piece;
}

void Stream::copy(const std::shared_ptr<Buffer>& from, int64_t from_offset, const std::shared_ptr<Buffer>& to,
                  int64_t to_offset, size_t bytes, std::string name) {
  require_usable();
  Operation operation;
  operation.kind = Operation::Kind::copy;
  operation.source = copy_address(*this, *from, from_offset, bytes);
  operation.device = copy_address(*this, *to, to_offset, bytes);
  operation.bytes = bytes;
  use(from);
  use(to);
  enqueue_one(std::move(operation), std::move(name));
}

void Stream::check_exchange(const Buffer& buffer, int64_t offset, size_t bytes) const {
  require_usable();
  require_not_capturing("A collective between the ranks of a process");
  static_cast<void>(copy_address(*this, buffer, offset, bytes));
}

void Stream::copy_from(DeviceAddress from, const std::shared_ptr<Buffer>& to, int64_t to_offset, size_t bytes) {
  require_usable();
  require_not_capturing("A collective between the ranks of a process");
  Operation operation;
  operation.kind = Operation::Kind::copy;
  operation.source = from;
  operation.device = copy_address(*this, *to, to_offset, bytes);
  operation.bytes = bytes;
  use(to);
  enqueue_one(std::move(operation));
}

void Stream::wait_mark(std::shared_ptr<Mark> mark) {
  require_usable();
  require_not_capturing("A collective between the ranks of a process");
  Operation operation;
  operation.kind = Operation::Kind::wait;
  operation.mark = std::move(mark);
  enqueue_one(std::move(operation));
}

CollectivePlaces Stream::collective_places(const std::shared_ptr<Buffer>& send, int64_t send_offset, size_t send_bytes,
                                           const std::shared_ptr<Buffer>& recv, int64_t recv_offset, size_t recv_bytes) {
  require_usable();
  return {copy_address(*this, *send, send_offset, send_bytes), copy_address(*this, *recv, recv_offset, recv_bytes)};
}

void Stream::use_for_collective(const std::vector<std::shared_ptr<Buffer>>& buffers, std::string name,
                                const std::shared_ptr<Sharer>& by) {
  for (const auto& buffer : buffers) use(buffer);
  if (capture_ == nullptr) return;
  capture_->baked.add(by);
  capture_->member(*this).operations++;
  capture_->add(*this, std::move(name));
}

void Stream::record(Event& event) {
  require_usable();
  require_device(device, event.device, "event");
  if (event.disposed) throw_disposed("event", event.id);
  event.mark = backend_->mark();
  event.capture = capture_;
  event.capture_stream = capture_ != nullptr ? this : nullptr;
  event.capture_position = capture_ != nullptr ? capture_->member(*this).operations : 0;
  event.capture_tail = capture_ != nullptr ? capture_->member(*this).tail : std::vector<int32_t>();
}

void Stream::wait(Event& event) {
  require_usable();
  require_device(device, event.device, "event");
  if (event.disposed) throw_disposed("event", event.id);
  const std::string name = "Event " + std::to_string(event.id);
  if (event.capture == nullptr) {
    if (capture_ != nullptr) {
      capture_error(name + " was recorded outside the capture of stream " + std::to_string(id) +
                        "; wait for it before beginCapture().",
                    id);
    }
  } else if (event.capture->ended) {
    capture_error(name + " was recorded in a capture that has ended; record it again.", id);
  } else if (capture_ == nullptr) {
    backend_->join_capture(*event.capture_stream->backend_);
    event.capture->join(*this);
    capture_ = event.capture;
  } else if (capture_ != event.capture) {
    capture_error(name + " was recorded in another capture than that of stream " + std::to_string(id) + ".", id);
  }
  if (capture_ != nullptr) {
    auto& recorded = capture_->member(*event.capture_stream);
    recorded.waited = std::max(recorded.waited, event.capture_position);
    capture_->wait(*this, event.capture_tail);
  }
  if (event.mark == nullptr) return;
  Operation operation;
  operation.kind = Operation::Kind::wait;
  operation.mark = event.mark;
  enqueue_one(std::move(operation));
}

void Stream::launch_graph(Graph& graph) {
  require_usable();
  require_device(device, graph.device, "graph");
  if (graph.backend == nullptr) throw_disposed("graph", graph.id);
  require_not_capturing("Launching a graph");
  if (graph.pool != nullptr) graph.pool->require_free(id);
  Operation operation;
  operation.kind = Operation::Kind::graph;
  operation.graph = graph.backend.get();
  graph.uses.add(id);
  enqueue_one(std::move(operation));
  if (graph.pool != nullptr) graph.pool->launched(id);
  if (graph.baked.shares()) graph.baked.launched(backend_->mark());
}

void Stream::begin_capture(std::shared_ptr<Pool> pool) {
  require_usable();
  if (pool != nullptr) require_device(device, pool->device, "pool");
  if (capture_ != nullptr) {
    capture_error("Stream " + std::to_string(id) + " is capturing already; call endCapture() first.", id);
  }
  device->empty_retired();
  backend_->begin_capture();
  capture_ = std::make_shared<Capture>(*this, std::move(pool));
}

Capture& Stream::own_capture() const {
  device->require_open();
  if (backend_ == nullptr) throw_disposed("stream", id);
  if (capture_ == nullptr) {
    capture_error("Stream " + std::to_string(id) + " is not capturing; call beginCapture() first.", id);
  }
  if (capture_->members.front().stream != this) {
    const int32_t origin = capture_->members.front().stream->id;
    capture_error("Stream " + std::to_string(id) + " joined the capture of stream " + std::to_string(origin) +
                      "; end it there.",
                  id);
  }
  if (capture_->thread != std::this_thread::get_id()) {
    capture_error("The capture of stream " + std::to_string(id) + " was begun on another thread; end it on that one.", id);
  }
  return *capture_;
}

std::shared_ptr<Recording> Stream::end_capture() {
  own_capture();
  const auto capture = capture_;
  const Stream* const unjoined = capture->unjoined();
  const int32_t unjoined_id = unjoined != nullptr ? unjoined->id : 0;
  std::shared_ptr<Recording> recording;
  try {
    // A driver loses such a capture too, with fewer words.
    if (unjoined_id != 0) backend_->abandon_capture();
    else recording = std::make_shared<Recording>(*capture, backend_->end_capture());
  } catch (...) {
    capture->end();
    throw;
  }
  capture->end();
  if (unjoined_id != 0) {
    capture_error("Stream " + std::to_string(unjoined_id) + " joined the capture of stream " + std::to_string(id) +
                      " and no stream waited for its last operation; the capture is lost. Record an event there last and "
                      "wait for it here.",
                  unjoined_id);
  }
  require_usable();
  return recording;
}

void Stream::abandon_capture() {
  own_capture();
  const auto capture = capture_;
  backend_->abandon_capture();
  capture->end();
}

void Stream::leave_capture() {
  if (backend_ != nullptr) backend_->leave_capture();
  capture_.reset();
}

void Stream::set_command_block(int64_t offset, int64_t max_commands) {
  require_usable();
  const auto limit = static_cast<int64_t>(device->arena_bytes);
  constexpr int64_t header = COMMAND_HEADER_WORDS * 4;
  if (offset < 0 || max_commands < 1 || offset % 4 != 0 || offset > limit - header ||
      max_commands > (limit - header - offset) / (CMD_WORDS * 4)) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "A command block of " + std::to_string(max_commands) + " commands at byte " +
                          std::to_string(offset) + " does not lie in the arena of " + std::to_string(limit) +
                          " bytes, at a multiple of 4, with room for one command. Bind the arena first.",
                      {{"offset", offset}, {"maxCommands", max_commands}, {"arenaBytes", limit}});
  }
  block_offset_ = static_cast<size_t>(offset);
  block_max_commands_ = static_cast<size_t>(max_commands);
  block_set_ = true;
}

void Stream::submit() {
  if (!block_set_) {
    require_usable();
    throw DeviceError("ERR_INPUT_INVALID", "submit() has no command block; call setCommandBlock() or give its offset.");
  }
  submit_block(block_offset_, block_max_commands_);
}

void Stream::submit_at(int64_t offset) {
  require_usable();
  const auto limit = static_cast<int64_t>(device->arena_bytes);
  constexpr int64_t header = COMMAND_HEADER_WORDS * 4;
  if (offset < 0 || offset % 4 != 0 || offset > limit - header) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "Byte " + std::to_string(offset) + " is not a place for a command block in an arena of " +
                          std::to_string(limit) + " bytes; give a multiple of 4 inside it.",
                      {{"offset", offset}, {"arenaBytes", limit}});
  }
  submit_block(static_cast<size_t>(offset), static_cast<size_t>((limit - header - offset) / (CMD_WORDS * 4)));
}

void Stream::submit_block(size_t offset, size_t max_commands) {
  require_usable();
  require_not_capturing("submit()");
  const size_t count = read_command_block(*device, id, offset, max_commands, operations_, targets_);
  if (count == 0) return;
  backend_->enqueue(operations_.data(), count);
  for (size_t i = 0; i < count; i++) {
    CommandTarget& target = targets_[i];
    if (target.event != nullptr) {
      target.event->mark = std::move(operations_[i].mark);
      // Recording it takes it out of a capture that ended.
      target.event->capture.reset();
    }
    if (target.pool != nullptr) target.pool->launched(id);
    if (target.launched != nullptr) target.launched->launched(backend_->mark());
  }
}

bool Stream::wait_slice(double ms) {
  require_usable();
  require_not_capturing("Waiting");
  const WaitResult result = backend_->wait(ms);
  if (result.done) device->empty_retired();
  if (result.failure != nullptr) throw DeviceError(result.failure->error);
  return result.done;
}

std::shared_ptr<Event> Stream::mark() {
  require_usable();
  require_not_capturing("Waiting");
  auto event = device->create_event(false);
  record(*event);
  return event;
}

}  // namespace lockstep
