#include "host-sync.h"

namespace lockstep {

const std::shared_ptr<HostSync>& HostSync::shared() {
  // Never destroyed: threads may outlive the module.
  static const auto* const sync = new std::shared_ptr<HostSync>(std::make_shared<HostSync>());
  return *sync;
}

void HostSync::announce() {
  if (waiters_.load() == 0) return;
  // A waiter that has checked and does not sleep yet holds the mutex until it sleeps.
  { const std::lock_guard<std::mutex> lock(mutex_); }
  changed_.notify_all();
}

void HostProgress::fail(uint64_t command, std::shared_ptr<const Failure> failure) {
  if (failed()) return;
  reason = std::move(failure);
  failed_at.store(command);
}

std::shared_ptr<const Failure> HostProgress::failure_before(uint64_t target) const {
  return failed_at.load() < target ? reason : nullptr;
}

WaitResult HostProgress::wait(uint64_t target, double ms) const {
  const bool done =
      sync->wait(ms, [&] { return executed.load() >= target || failed_at.load() < target; });
  return {done, failure_before(target)};
}

}  // namespace lockstep
