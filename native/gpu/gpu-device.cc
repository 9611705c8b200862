#include "gpu-device.h"

#include <utility>

#include "module.h"
#include "driver-constants.h"
#include "events.h"
#include "kernels/report-words.h"
#include "poll.h"

namespace lockstep {

namespace {

// Blocks of 256 threads that a processor has at once, about.
constexpr unsigned blocks_per_processor = 8;
// How long the device's own little work may take.
constexpr double own_work_ms = 10000;
// In the order of Held.
constexpr const char* HELD_NAMES[HELD_KINDS] = {"memory", "pinned", "arenas", "streams", "events", "recordings", "graphs", "modules",
                                                "communicators"};

// A thread's capture mode before devices of a vendor relaxed it, and how many of them did.
struct RelaxedThread {
  size_t devices;
  int before;
};
thread_local RelaxedThread relaxed_threads[2];

}  // namespace

GpuDevice::GpuDevice(GpuContext& of, int processors)
    : context(of),
      driver(of.driver),
      most_blocks(static_cast<unsigned>(processors > 0 ? processors : 1) * blocks_per_processor),
      events(std::make_shared<EventPool>()) {}

GpuDevice::~GpuDevice() = default;

// A step looks at an event in each submission, and a bracket of two calls would cost it more than the look.
void GpuDevice::relax() {
  RelaxedThread& thread = relaxed_threads[static_cast<size_t>(context.library.vendor)];
  if (thread.devices == 0) {
    thread.before = driver_constant::capture_relaxed;
    LOCKSTEP_DRIVE(*this, capture_mode, &thread.before);
  }
  thread.devices++;
  relaxed_ = std::this_thread::get_id();
}

void GpuDevice::restore() {
  if (std::exchange(relaxed_, {}) != std::this_thread::get_id()) return;
  RelaxedThread& thread = relaxed_threads[static_cast<size_t>(context.library.vendor)];
  if (--thread.devices > 0) return;
  // One that fails is noted, and tried once more: the thread's mode is not this device's to keep.
  for (int attempt = 0; attempt < 2 && lost() == nullptr; attempt++) {
    const int code = driver.capture_mode(&thread.before);
    if (code == 0) break;
    note(context.error(DriverCall::capture_mode, code));
  }
}

void GpuDevice::start() {
  make_current(*this);
  relax();
  const Current current(*this);
  LOCKSTEP_DRIVE(*this, stream_create, &stream, driver_constant::stream_non_blocking, 0);
  LOCKSTEP_DRIVE(*this, host_allocate, &seen_, sizeof(Report), driver_constant::host_allocate_portable);
  LOCKSTEP_DRIVE(*this, memory_allocate, &report, sizeof(Report));
  unfinished_ = true;
  LOCKSTEP_DRIVE(*this, fill_words, report, 0, sizeof(Report) / 4, stream);
  finish_own_work();
}

void GpuDevice::finish_own_work() {
  unfinished_ = true;
  const auto back = [this](void* event) { events->give_back(*this, event); };
  const std::unique_ptr<void, decltype(back)> held(events->take(*this), back);
  void* const event = held.get();
  LOCKSTEP_DRIVE(*this, event_record, event, stream);
  const bool done = poll(own_work_ms, [&] {
    const int code = driver.event_query(event);
    if (code != driver_constant::error_not_ready) check(DriverCall::event_query, code);
    return code == 0;
  });
  if (!done) {
    const DeviceError error("ERR_DEVICE_LOST", "The device did not finish a small piece of work in 10 seconds. It is lost to this process; start it again.");
    lose(error);
    throw error;
  }
  unfinished_ = false;
}

void GpuDevice::stop() {
  builtin.reset();
  if (unfinished_ && lost() == nullptr) {
    try {
      const Current current(*this);
      finish_own_work();
    } catch (const DeviceError& error) {
      // It may still write what would be freed here.
      lose(error);
    }
  }
  events->close(*this);
  const uint64_t held = std::exchange(report, 0);
  void* const ending = std::exchange(stream, nullptr);
  if (held != 0) free_quietly(*this, Held::memory, [&] { LOCKSTEP_DRIVE(*this, memory_free, held); });
  void* const seen = std::exchange(seen_, nullptr);
  if (seen != nullptr) free_quietly(*this, Held::pinned, [&] { LOCKSTEP_DRIVE(*this, host_free, seen); });
  if (ending != nullptr) free_quietly(*this, Held::streams, [&] { LOCKSTEP_DRIVE(*this, stream_destroy, ending); });
  restore();
}

std::shared_ptr<const Failure> GpuDevice::lost() const {
  if (auto fault = context.fault()) return fault;
  return is_lost_.load() ? lost_ : nullptr;
}

std::shared_ptr<const Failure> GpuDevice::failure() const {
  if (auto failure = lost()) return failure;
  return has_failed_.load() ? failed_ : nullptr;
}

void GpuDevice::lose(const DeviceError& error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (is_lost_.load()) return;
  lost_ = std::make_shared<Failure>(Failure{error});
  is_lost_.store(true);
}

void GpuDevice::fail(const DeviceError& error) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (has_failed_.load()) return;
  failed_ = std::make_shared<Failure>(Failure{error});
  has_failed_.store(true);
}

void GpuDevice::note(const DeviceError& error) {
  if (error.code == "ERR_DEVICE_LOST") lose(error);
  else fail(error);
}

std::vector<Detail> GpuDevice::given_up() const {
  std::vector<Detail> all;
  for (size_t kind = 0; kind < HELD_KINDS; kind++) {
    if (const size_t count = given_up_[kind].load(); count > 0) all.emplace_back(HELD_NAMES[kind], count);
  }
  return all;
}

// A stream that did not run the kernel may have copied the report while it was written, so it is read again.
void GpuDevice::fail_reported() {
  const std::lock_guard<std::mutex> lock(reporting_);
  if (has_failed_.load()) return;
  LOCKSTEP_DRIVE(*this, copy_to_host, seen_, report, sizeof(Report), stream);
  finish_own_work();
  const Report whole = *static_cast<const Report*>(seen_);
  const std::string kernel = kernel_of(whole);
  const std::string words = words_of(whole);
  fail(DeviceError("ERR_DEVICE_KERNEL",
                   "Kernel " + kernel + " failed: " + words + ". What came after it on its device was skipped; dispose the device.",
                   {{"kernel", kernel}, {"report", words}}));
}

void make_current(const GpuDevice& device) {
  if (const auto lost = device.lost()) throw DeviceError(lost->error);
  device.check(device.driver.context_current != nullptr ? DriverCall::context_current : DriverCall::device_current,
               device.context.make_current());
}

Current::Current(GpuDevice& device) : device_(device), mode_(driver_constant::capture_relaxed) {
  make_current(device);
  LOCKSTEP_DRIVE(device, capture_mode, &mode_);
}

Current::~Current() {
  if (device_.lost() != nullptr) return;
  // The thread's mode stays relaxed where this fails.
  if (const int code = device_.driver.capture_mode(&mode_); code != 0) device_.note(device_.context.error(DriverCall::capture_mode, code));
}

}  // namespace lockstep
