#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "gpu-device.h"

namespace lockstep {

// Events without timing, used again and again. Safe on any thread.
class EventPool {
 public:
  // Throws what the driver reports.
  void* take(GpuDevice& device);
  void give_back(GpuDevice& device, void* event) noexcept;
  // Destroys those that are free; the others as they come back.
  void close(GpuDevice& device) noexcept;

 private:
  std::mutex mutex_;
  std::vector<void*> free_;
  bool closed_ = false;
};

// How far a stream has come, by the numbers of its marks. Outlives the stream.
struct GpuProgress {
  explicit GpuProgress(std::shared_ptr<GpuDevice> device);
  ~GpuProgress();

  std::shared_ptr<const Failure> failure() const;
  void fail(const DeviceError& error);
  // The work before a mark is done: what it read for an arena that is not pinned is copied there.
  void reach(uint64_t mark);
  // Copies `bytes` from pinned memory to where they belong, when the mark is reached.
  void land(uint64_t mark, const std::byte* from, std::byte* to, size_t bytes);

  const std::shared_ptr<GpuDevice> device;
  // The stream's copy of the report, in pinned memory.
  Report* report = nullptr;
  // The last mark that was seen to be reached.
  std::atomic<uint64_t> reached{0};

 private:
  struct Landing {
    uint64_t mark;
    const std::byte* from;
    std::byte* to;
    size_t bytes;
  };

  // Whether a kernel reported. The device may write a report of later work meanwhile, so the word is read as one.
  bool has_report() const { return __atomic_load_n(&report->fault, __ATOMIC_ACQUIRE) != FAULT_NONE; }

  std::mutex mutex_;
  std::deque<Landing> landings_;
  std::atomic<bool> has_failed_{false};
  std::shared_ptr<const Failure> failed_;
};

// A recorded event, looked at by polling: a driver has no wait that ends after a time.
struct GpuMark final : Mark {
  GpuMark(std::shared_ptr<GpuProgress> progress, void* event, uint64_t number, bool captured)
      : progress(std::move(progress)), event(event), number(number), captured(captured) {}
  ~GpuMark() override;
  WaitResult wait(double ms) override;
  // Looks whether it is reached, on a thread that has the device current and whose capture mode is relaxed.
  void look();

  const std::shared_ptr<GpuProgress> progress;
  // Null where the device was lost already, and where it could not be recorded: then it is reached with a later mark of its stream.
  void* const event;
  const uint64_t number;
  // Recorded in a capture: only streams of the capture wait for it.
  const bool captured;

 private:
  // Whether this mark or a later one was seen to be reached.
  bool is_reached();
  WaitResult result(bool done) const { return {done, done ? progress->failure() : nullptr}; }

  std::atomic<bool> done_{false};
};

}  // namespace lockstep
