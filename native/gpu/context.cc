#include "context.h"

#include <map>
#include <utility>

namespace lockstep {

namespace {

// Neither is ever destroyed: threads may outlive the module.
std::mutex& registry_mutex() {
  static auto* const mutex = new std::mutex();
  return *mutex;
}

std::map<std::pair<const DriverLibrary*, int>, GpuContext*>& registry() {
  static auto* const contexts = new std::map<std::pair<const DriverLibrary*, int>, GpuContext*>();
  return *contexts;
}

}  // namespace

GpuContext& GpuContext::of(const DriverLibrary& library, int ordinal) {
  const std::lock_guard<std::mutex> lock(registry_mutex());
  GpuContext*& context = registry()[{&library, ordinal}];
  if (context == nullptr) context = new GpuContext(library, ordinal);
  return *context;
}

GpuContext::GpuContext(const DriverLibrary& from, int card) : library(from), driver(from.table), ordinal(card) {
  check_driver(library, DriverCall::device_get, driver.device_get(&device_, ordinal));
  if (driver.context_retain == nullptr) return;
  check_driver(library, DriverCall::context_retain, driver.context_retain(&handle_, device_), "to make a context");
}

int GpuContext::make_current() const {
  return driver.context_current != nullptr ? driver.context_current(handle_) : driver.device_current(device_);
}

int GpuContext::attribute(int number) const {
  int value = 0;
  check_driver(library, DriverCall::device_attribute, driver.device_attribute(&value, number, device_), "to describe a card");
  return value;
}

std::shared_ptr<const Failure> GpuContext::fault() const { return faulted_.load() ? fault_ : nullptr; }

DeviceError GpuContext::error(DriverCall call, int code, const std::string& doing) {
  DeviceError error = driver_error(library, call, code, doing);
  if (!is_sticky(code)) return error;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (faulted_.load()) return fault_->error;
  fault_ = std::make_shared<Failure>(Failure{error});
  faulted_.store(true);
  return error;
}

}  // namespace lockstep
