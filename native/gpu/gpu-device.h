#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "context.h"
#include "kernels/report.h"

namespace lockstep {

class EventPool;
struct GpuModule;

// What a driver, or a library of collectives, holds for a device.
enum class Held : uint8_t { memory, pinned, arenas, streams, events, recordings, graphs, modules, communicators };
constexpr size_t HELD_KINDS = 9;

// Where the bound arena lies for the device.
struct GpuArena {
  std::byte* host = nullptr;
  size_t bytes = 0;
  bool pinned = false;
  // 0 where kernels cannot reach it.
  uint64_t device = 0;

  bool holds(const std::byte* place) const { return place >= host && place < host + bytes; }
};

// What the parts of an open device share. A failure is the whole device's: kernels of all its streams look at one report, and do
// nothing once it holds a failure. A device that is lost makes no call of the driver any more. Safe on any thread.
class GpuDevice {
 public:
  GpuDevice(GpuContext& context, int processors);
  ~GpuDevice();
  // Once, before anything else: makes the report.
  void start();
  // The capture mode of the thread that uses the device, relaxed while it does.
  void relax();
  void restore();
  // Waits for the work of `stream`. The device is current.
  void finish_own_work();
  // Frees what it made itself, once its work has ended. Idempotent.
  void stop();

  // Why no call of the driver is made any more, or null.
  std::shared_ptr<const Failure> lost() const;
  // The same, or what a kernel or a call reported that leaves the context alive, or null: it takes no more work then, and lets go of
  // what it holds.
  std::shared_ptr<const Failure> failure() const;
  // The first reason counts.
  void lose(const DeviceError& error);
  void fail(const DeviceError& error);
  // Of a call without a caller to throw to: loses the device where the error says so, else fails it.
  void note(const DeviceError& error);
  // What stays with the driver, since it could not be let go of.
  void give_up(Held kind) { given_up_[static_cast<size_t>(kind)]++; }
  // By kind; those of which there are any.
  std::vector<Detail> given_up() const;
  // After a stream's copy of the report was seen to hold a failure.
  void fail_reported();

  // Throws what `code` means, unless it is success.
  void check(DriverCall call, int code, const char* doing = "") const {
    if (code != 0) throw context.error(call, code, doing);
  }

  GpuContext& context;
  const Driver& driver;
  // Blocks that a launch has at most.
  const unsigned most_blocks;
  std::shared_ptr<EventPool> events;
  // HIP's image of the kernels of this build, where LOCKSTEP_HIP_IMAGE names none.
  std::string hip_image;
  // The kernels of this build.
  std::unique_ptr<GpuModule> builtin;
  GpuArena arena;
  // The kernels' report, in device memory.
  uint64_t report = 0;
  // For work of the device itself.
  void* stream = nullptr;

 private:
  // Null before it relaxed its thread, which is this one.
  std::thread::id relaxed_;
  // One failure is read at a time, into pinned memory.
  std::mutex reporting_;
  void* seen_ = nullptr;
  // Work of `stream` may be under way.
  bool unfinished_ = false;
  std::array<std::atomic<size_t>, HELD_KINDS> given_up_{};
  mutable std::mutex mutex_;
  // Set once the pointer is.
  std::atomic<bool> is_lost_{false};
  std::atomic<bool> has_failed_{false};
  std::shared_ptr<const Failure> lost_;
  std::shared_ptr<const Failure> failed_;
};

// Calls a function of the table: throws what it reports.
#define LOCKSTEP_DRIVE(device, row, ...) (device).check(DriverCall::row, (device).driver.row(__VA_ARGS__))

// Makes the device the calling thread's: enough for what a driver allows in any thread's capture, work for streams above all, and on
// the thread that uses the device for looking at events. Throws the stored failure where the device is lost.
void make_current(const GpuDevice& device);

// The device is the calling thread's from here on, and what a driver calls unsafe does not end a capture: other streams may
// take part in one. Throws the stored failure where the device is lost.
class Current {
 public:
  explicit Current(GpuDevice& device);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  GpuDevice& device_;
  int mode_;
};

// For destructors: calls `free`, which lets go of one thing, with the device current. Where that fails, or the device is lost, the thing
// is given up. What fails before `free` is tried again; `free` is not, which may have done its work.
template <typename Free>
void free_quietly(GpuDevice& device, Held kind, Free free) noexcept {
  bool called = false;
  for (int attempts = 0; attempts < 2 && !called && device.lost() == nullptr; attempts++) {
    try {
      const Current current(device);
      called = true;
      free();
      return;
    } catch (const DeviceError& error) {
      device.note(error);
    } catch (...) {
    }
  }
  device.give_up(kind);
}

}  // namespace lockstep
