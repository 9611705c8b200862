#pragma once

#include "bounce.h"
#include "events.h"

namespace lockstep {

// A stream of the driver that waits for no other by itself. A capture is thread-local, and streams join it by waiting.
class GpuStream final : public StreamBackend {
 public:
  GpuStream(std::shared_ptr<GpuDevice> device, int priority);
  ~GpuStream() override;

  void enqueue(Operation* operations, size_t count) override;
  std::shared_ptr<Mark> mark() override;
  WaitResult wait(double ms) override { return mark()->wait(ms); }
  std::shared_ptr<const Failure> failure() const override { return progress_->failure(); }
  void begin_capture() override;
  void join_capture(StreamBackend& origin) override;
  std::unique_ptr<RecordingBackend> end_capture() override;
  void abandon_capture() override;
  void leave_capture() override { capturing_ = false; }
  void* driver_stream() override;
  bool close(double ms) override;

 private:
  void perform(Operation& operation);
  void upload(const Operation& operation);
  void download(const Operation& operation);
  // Edits from the first of `count` operations on that one launch can do. Returns how many operations they were.
  size_t edit_tables(const Operation* operations, size_t count);
  void edit_by_copies(const Operation& operation);
  Bounce::Piece bounce(size_t bytes);
  // Calls the driver; what succeeds has been enqueued.
  void enqueued(DriverCall call, int code);
  // Of a device that is current.
  std::shared_ptr<Mark> mark_here();
  std::shared_ptr<Mark> captured_mark();
  // A mark in place of one that the driver did not take.
  std::shared_ptr<Mark> unrecorded(const DeviceError& error);
  // Ends the capture whatever it holds, or loses the device.
  void leave_driver_capture() noexcept;
  bool driver_captures() const;

  const std::shared_ptr<GpuDevice> device_;
  std::shared_ptr<GpuProgress> progress_;
  // Of edits, filled again for each.
  Launch edits_;
  Bounce bounce_;
  void* stream_ = nullptr;
  bool capturing_ = false;
  // Something was enqueued since the last mark; a kernel was.
  bool changed_ = false;
  // The enqueue() under way has enqueued something.
  bool begun_ = false;
  bool launched_ = false;
  // The number of the next mark.
  uint64_t next_ = 1;
  std::shared_ptr<GpuMark> last_;
};

}  // namespace lockstep
