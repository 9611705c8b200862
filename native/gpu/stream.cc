#include "stream.h"

#include <algorithm>
#include <cstring>

#include "driver-constants.h"
#include "graph.h"
#include "kernels/table-edit.h"
#include "launch.h"
#include "poll.h"

namespace lockstep {

namespace {

// So many chunks are in use before the stream looks how far it has come.
constexpr size_t chunks_unlooked = 4;

// Columns of an edit that the threads of a row share: longer ones are cut, so that there are threads for all of them at once.
constexpr int piece_columns = 256;

size_t pieces_of(const RowEdit& edit) { return (static_cast<size_t>(edit.end - edit.begin) + piece_columns - 1) / piece_columns; }


}  // namespace

GpuStream::GpuStream(std::shared_ptr<GpuDevice> device, int priority) : device_(std::move(device)) {
  const Current current(*device_);
  progress_ = std::make_shared<GpuProgress>(device_);
  int least = 0;
  int greatest = 0;
  LOCKSTEP_DRIVE(*device_, stream_priorities, &least, &greatest);
  // The driver counts downwards.
  LOCKSTEP_DRIVE(*device_, stream_create, &stream_, driver_constant::stream_non_blocking, std::max(greatest, least - priority));
}

GpuStream::~GpuStream() { close(0); }

bool GpuStream::close(double ms) {
  if (stream_ == nullptr) return true;
  void* const ending = stream_;
  // A mark that could not be recorded is made again.
  const bool done = poll(ms, [&] { return mark()->wait(0).done; });
  stream_ = nullptr;
  if (!done) {
    device_->give_up(Held::streams);
    device_->lose(DeviceError("ERR_DEVICE_LOST",
                              "A stream still runs " + std::to_string(static_cast<int64_t>(ms)) +
                                  " ms after it was disposed, and a GPU's work cannot be stopped. The device is lost to this process; start it again."));
    return false;
  }
  last_.reset();
  free_quietly(*device_, Held::streams, [&] { LOCKSTEP_DRIVE(*device_, stream_destroy, ending); });
  return true;
}

void GpuStream::enqueued(DriverCall call, int code) {
  device_->check(call, code);
  changed_ = begun_ = true;
}

#define LOCKSTEP_ENQUEUE(row, ...) enqueued(DriverCall::row, device_->driver.row(__VA_ARGS__))

void GpuStream::enqueue(Operation* operations, size_t count) {
  make_current(*device_);
  begun_ = false;
  try {
    if (last_ != nullptr && !capturing_ && count > 1) last_->look();
    for (size_t i = 0; i < count;) {
      if (operations[i].kind == Operation::Kind::edit_table) i += edit_tables(operations + i, count - i);
      else perform(operations[i++]);
    }
  } catch (const DeviceError& error) {
    // What went before cannot be taken back. In a capture nothing runs, and the capture is lost.
    if (begun_ && !capturing_) progress_->fail(error);
    throw;
  }
}

void GpuStream::perform(Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::none:
    case Operation::Kind::edit_table:
      return;
    case Operation::Kind::upload:
      return upload(operation);
    case Operation::Kind::download:
      return download(operation);
    case Operation::Kind::copy:
      if (operation.bytes == 0) return;
      return LOCKSTEP_ENQUEUE(copy_within, operation.device.value, operation.source.value, operation.bytes, stream_);
    case Operation::Kind::launch:
      if (!launch_gpu_kernel(*device_, stream_, *operation.launch)) return;
      launched_ = launched_ || !capturing_;
      changed_ = begun_ = true;
      return;
    case Operation::Kind::graph:
      LOCKSTEP_ENQUEUE(graph_launch, static_cast<GpuGraph&>(*operation.graph).executable, stream_);
      launched_ = true;
      return;
    case Operation::Kind::record:
      operation.mark = mark_here();
      return;
    case Operation::Kind::wait: {
      const auto& mark = static_cast<const GpuMark&>(*operation.mark);
      // A stream is past what it did itself.
      if (mark.progress == progress_) return;
      if (mark.event == nullptr) {
        if (const auto failure = mark.progress->failure()) throw DeviceError(failure->error);
        return;
      }
      return LOCKSTEP_ENQUEUE(stream_wait, stream_, mark.event, 0);
    }
  }
}

void GpuStream::upload(const Operation& operation) {
  if (operation.bytes == 0) return;
  const std::byte* from = operation.host;
  if (device_->arena.holds(from) && !device_->arena.pinned) {
    const Bounce::Piece piece = bounce(operation.bytes);
    std::memcpy(piece.host, from, operation.bytes);
    from = piece.host;
  }
  LOCKSTEP_ENQUEUE(copy_to_device, operation.device.value, from, operation.bytes, stream_);
}

void GpuStream::download(const Operation& operation) {
  if (operation.bytes == 0) return;
  if (!device_->arena.holds(operation.host) || device_->arena.pinned) {
    return LOCKSTEP_ENQUEUE(copy_to_host, operation.host, operation.device.value, operation.bytes, stream_);
  }
  const Bounce::Piece piece = bounce(operation.bytes);
  LOCKSTEP_ENQUEUE(copy_to_host, piece.host, operation.device.value, operation.bytes, stream_);
  progress_->land(next_, piece.host, operation.host, operation.bytes);
}

Bounce::Piece GpuStream::bounce(size_t bytes) {
  if (bounce_.chunks() >= chunks_unlooked && last_ != nullptr) last_->wait(0);
  return bounce_.take(device_, bytes, next_, progress_->reached.load());
}

size_t GpuStream::edit_tables(const Operation* operations, size_t count) {
  if (device_->arena.device == 0) return edit_by_copies(operations[0]), 1;
  // Those whose places are as far from each other in the arena as on the device: columns of one row, as it were.
  const Operation* first = operations;
  size_t taken = 0;
  size_t pieces = 0;
  for (; taken < count; taken++) {
    const Operation& operation = operations[taken];
    const auto distance = static_cast<uint64_t>(operation.host - operations->host);
    if (operation.kind != Operation::Kind::edit_table || operation.device.value - operations->device.value != distance) break;
    if (distance % sizeof(int32_t) != 0) break;
    if (operation.host < first->host) first = &operation;
    for (const RowEdit& edit : operation.edits) pieces += pieces_of(edit);
  }
  if (pieces == 0) return taken;
  const size_t list_bytes = pieces * sizeof(TableEdit);
  const Bounce::Piece list = bounce(list_bytes);
  auto* piece = reinterpret_cast<TableEdit*>(list.host);
  int64_t last = 0;
  for (size_t i = 0; i < taken; i++) {
    const int64_t from = (operations[i].host - first->host) / static_cast<int64_t>(sizeof(int32_t));
    for (const RowEdit& edit : operations[i].edits) {
      const int64_t row = from + int64_t{edit.row} * operations[i].pitch;
      const auto end = static_cast<int>(row + edit.end);
      for (auto begin = static_cast<int>(row + edit.begin); begin < end; begin += piece_columns) {
        *piece++ = {0, begin, std::min(end, begin + piece_columns), 0};
      }
      last = std::max<int64_t>(last, end);
    }
  }
  const GpuModule& kernels = *device_->builtin;
  const int64_t bytes = last * static_cast<int64_t>(sizeof(int32_t));
  edits_.module = &kernels;
  edits_.kernel = &kernels.kernels[KERNEL_table_edit];
  edits_.values = {{first->device, bytes, 0},
                   {{list.device}, static_cast<int64_t>(list_bytes), 0},
                   {{device_->arena.device + static_cast<uint64_t>(first->host - device_->arena.host)}, bytes, 0},
                   {{}, 0, static_cast<int64_t>(pieces)},
                   {{}, 0, INT32_MAX}};
  launch_gpu_kernel(*device_, stream_, edits_);
  launched_ = changed_ = begun_ = true;
  return taken;
}

void GpuStream::edit_by_copies(const Operation& operation) {
  for (const RowEdit& edit : operation.edits) {
    const uint64_t begin = (static_cast<uint64_t>(edit.row) * operation.pitch + static_cast<uint64_t>(edit.begin)) * 4;
    Operation row;
    row.device = operation.device + begin;
    row.host = operation.host + begin;
    row.bytes = static_cast<size_t>(edit.end - edit.begin) * 4;
    upload(row);
  }
}

void* GpuStream::driver_stream() {
  changed_ = true;
  return stream_;
}

std::shared_ptr<Mark> GpuStream::mark() {
  if (device_->lost() == nullptr && stream_ != nullptr) {
    try {
      make_current(*device_);
    } catch (const DeviceError& error) {
      if (capturing_) throw;
      return unrecorded(error);
    }
  }
  return mark_here();
}

// Stays changed, so that the next mark is recorded, and this one is reached with it.
std::shared_ptr<Mark> GpuStream::unrecorded(const DeviceError& error) {
  device_->note(error);
  last_.reset();
  changed_ = true;
  return std::make_shared<GpuMark>(progress_, nullptr, next_++, false);
}

std::shared_ptr<Mark> GpuStream::mark_here() {
  if (device_->lost() != nullptr || stream_ == nullptr) return std::make_shared<GpuMark>(progress_, nullptr, 0, false);
  if (capturing_) return captured_mark();
  if (last_ != nullptr && !changed_) return last_;
  try {
    if (launched_) LOCKSTEP_DRIVE(*device_, copy_to_host, progress_->report, device_->report, sizeof(Report), stream_);
    void* const event = device_->events->take(*device_);
    auto mark = std::make_shared<GpuMark>(progress_, event, next_, false);
    LOCKSTEP_DRIVE(*device_, event_record, event, stream_);
    next_++;
    last_ = std::move(mark);
  } catch (const DeviceError& error) {
    return unrecorded(error);
  }
  changed_ = launched_ = false;
  return last_;
}

std::shared_ptr<Mark> GpuStream::captured_mark() {
  void* const event = device_->events->take(*device_);
  auto mark = std::make_shared<GpuMark>(progress_, event, next_, true);
  LOCKSTEP_DRIVE(*device_, event_record, event, stream_);
  return mark;
}

void GpuStream::begin_capture() {
  const Current current(*device_);
  LOCKSTEP_DRIVE(*device_, capture_begin, stream_, driver_constant::capture_thread_local);
  capturing_ = true;
}

// The driver takes the stream in when it waits.
void GpuStream::join_capture(StreamBackend&) { capturing_ = true; }

std::unique_ptr<RecordingBackend> GpuStream::end_capture() {
  capturing_ = false;
  void* graph = nullptr;
  try {
    const Current current(*device_);
    LOCKSTEP_DRIVE(*device_, capture_end, stream_, &graph);
  } catch (const DeviceError&) {
    leave_driver_capture();
    throw;
  }
  return std::make_unique<GpuRecording>(device_, graph);
}

void GpuStream::abandon_capture() {
  capturing_ = false;
  leave_driver_capture();
}

void GpuStream::leave_driver_capture() noexcept {
  // The second attempt follows one that failed before the driver ended anything.
  for (int attempts = 0; attempts < 2 && device_->lost() == nullptr; attempts++) {
    try {
      const Current current(*device_);
      if (!driver_captures()) return;
      void* graph = nullptr;
      const int code = device_->driver.capture_end(stream_, &graph);
      if (code == 0) return free_quietly(*device_, Held::recordings, [&] { LOCKSTEP_DRIVE(*device_, graph_destroy, graph); });
      // A capture that broke a rule ends with the rule's code.
      const DeviceError error = device_->context.error(DriverCall::capture_end, code);
      if (error.code != "ERR_DEVICE_CAPTURE") device_->note(error);
    } catch (const DeviceError& error) {
      device_->note(error);
    }
  }
  // A stream that still captures can neither be waited for nor destroyed.
  try {
    const Current current(*device_);
    if (!driver_captures()) return;
    device_->lose(DeviceError("ERR_DEVICE_LOST", "A capture could not be ended. The device is lost to this process; start it again."));
  } catch (const DeviceError& error) {
    device_->lose(error);
  }
}

bool GpuStream::driver_captures() const {
  int status = driver_constant::capture_none;
  LOCKSTEP_DRIVE(*device_, capture_info, stream_, &status, nullptr, nullptr, nullptr, nullptr);
  return status != driver_constant::capture_none;
}

}  // namespace lockstep
