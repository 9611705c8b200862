#include "events.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "driver-constants.h"
#include "poll.h"

namespace lockstep {

namespace {

// Nobody waits in the driver for longer.
constexpr double slice_ms = 50;

}  // namespace

void* EventPool::take(GpuDevice& device) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!free_.empty()) {
      void* const event = free_.back();
      free_.pop_back();
      return event;
    }
  }
  void* event = nullptr;
  LOCKSTEP_DRIVE(device, event_create, &event, driver_constant::event_disable_timing);
  return event;
}

void EventPool::give_back(GpuDevice& device, void* event) noexcept {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!closed_) return free_.push_back(event);
  }
  free_quietly(device, Held::events, [&] { LOCKSTEP_DRIVE(device, event_destroy, event); });
}

void EventPool::close(GpuDevice& device) noexcept {
  std::vector<void*> events;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    events = std::exchange(free_, {});
  }
  for (void* const event : events) free_quietly(device, Held::events, [&] { LOCKSTEP_DRIVE(device, event_destroy, event); });
}

GpuProgress::GpuProgress(std::shared_ptr<GpuDevice> owner) : device(std::move(owner)) {
  void* host = nullptr;
  LOCKSTEP_DRIVE(*device, host_allocate, &host, sizeof(Report),
                 driver_constant::host_allocate_portable | driver_constant::host_allocate_mapped);
  report = static_cast<Report*>(host);
  *report = {};
}

GpuProgress::~GpuProgress() {
  free_quietly(*device, Held::pinned, [&] { LOCKSTEP_DRIVE(*device, host_free, report); });
}

std::shared_ptr<const Failure> GpuProgress::failure() const {
  if (auto failure = device->failure()) return failure;
  return has_failed_.load() ? failed_ : nullptr;
}

void GpuProgress::fail(const DeviceError& error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (has_failed_.load()) return;
  failed_ = std::make_shared<Failure>(Failure{error});
  has_failed_.store(true);
}

void GpuProgress::land(uint64_t mark, const std::byte* from, std::byte* to, size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  landings_.push_back({mark, from, to, bytes});
}

void GpuProgress::reach(uint64_t mark) {
  if (has_report()) device->fail_reported();
  if (reached.load() >= mark) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (; !landings_.empty() && landings_.front().mark <= mark; landings_.pop_front()) {
    const Landing& one = landings_.front();
    std::memcpy(one.to, one.from, one.bytes);
  }
  reached.store(std::max(reached.load(), mark));
}

GpuMark::~GpuMark() {
  if (event != nullptr) progress->device->events->give_back(*progress->device, event);
}

bool GpuMark::is_reached() {
  if (done_.load()) return true;
  if (captured || progress->reached.load() < number) return false;
  done_.store(true);
  return true;
}

void GpuMark::look() {
  if (event == nullptr || captured || is_reached()) return;
  const int code = progress->device->driver.event_query(event);
  if (code == driver_constant::error_not_ready) return;
  progress->device->check(DriverCall::event_query, code);
  progress->reach(number);
  done_.store(true);
}

WaitResult GpuMark::wait(double ms) {
  if (is_reached()) return result(true);
  // In a capture nothing runs that one could wait for.
  if (captured || progress->device->lost() != nullptr || progress->reached.load() >= number) return result(true);
  if (event == nullptr) return {false, progress->failure()};
  GpuDevice& device = *progress->device;
  try {
    const Current current(device);
    const bool done = poll(std::min(ms, slice_ms), [&] {
      const int code = device.driver.event_query(event);
      if (code == driver_constant::error_not_ready) return false;
      device.check(DriverCall::event_query, code);
      return true;
    });
    if (!done) return result(false);
    progress->reach(number);
    done_.store(true);
  } catch (const DeviceError& error) {
    device.note(error);
    // It may be looked at again; nothing is used anew meanwhile.
    if (device.lost() == nullptr) return {false, progress->failure()};
  }
  return result(true);
}

}  // namespace lockstep
