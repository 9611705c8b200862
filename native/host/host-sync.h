#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <thread>

#include "core/backend.h"
#include "core/condition-variable.h"

namespace lockstep {

// Where threads wait for each other's progress. There is one for the process, since streams of one device may wait for those of
// another.
class HostSync {
 public:
  static const std::shared_ptr<HostSync>& shared();

  // Until `reached()` or `ms` milliseconds have passed; what it returned last. `reached` reads sequentially consistent
  // atomics that a thread changes before it calls announce().
  template <typename Reached>
  bool wait(double ms, Reached reached) {
    if (reached()) return true;
    if (ms <= 0) return false;
    std::unique_lock<std::mutex> lock(mutex_);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(ms);
    waiters_++;
    const bool done = changed_.wait_until(lock, std::chrono::time_point_cast<std::chrono::nanoseconds>(limit), reached);
    waiters_--;
    return done;
  }

  template <typename Reached>
  void wait(Reached reached) {
    if (reached()) return;
    std::unique_lock<std::mutex> lock(mutex_);
    waiters_++;
    changed_.wait(lock, reached);
    waiters_--;
  }

  // Costs one load when no thread waits.
  void announce();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int32_t> waiters_{0};
};

class HostStream;

// How far a stream has come. Outlives the stream: marks refer to it.
struct HostProgress {
  explicit HostProgress(std::shared_ptr<HostSync> sync) : sync(std::move(sync)) {}

  // Called by the thread that runs the command, or after all have ended. The first failure is kept.
  void fail(uint64_t command, std::shared_ptr<const Failure> failure);
  bool failed() const { return failed_at.load() != never; }
  // The failure before `target` commands were done.
  std::shared_ptr<const Failure> failure_before(uint64_t target) const;
  WaitResult wait(uint64_t target, double ms) const;

  static constexpr uint64_t never = std::numeric_limits<uint64_t>::max();
  const std::shared_ptr<HostSync> sync;
  // The thread that uses the stream, and the stream, for that thread alone: null once it is closed.
  const std::thread::id user = std::this_thread::get_id();
  HostStream* stream = nullptr;
  std::atomic<uint64_t> executed{0};
  // Index of the command that failed. `reason` is written once, before it.
  std::atomic<uint64_t> failed_at{never};
  std::shared_ptr<const Failure> reason;
};

// A mark is a number: how many commands of which stream are done when it is reached.
struct HostMark final : Mark {
  WaitResult wait(double ms) override;
  void expect() override;
  void help(double ms) override;

  std::shared_ptr<HostProgress> progress;
  uint64_t target = 0;
};

}  // namespace lockstep
