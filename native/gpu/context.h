#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "core/backend.h"
#include "gpu-error.h"
#include "load-driver.h"

namespace lockstep {

// A card's context in this process, CUDA's primary one: retained once, shared by all devices that are opened on the card, and
// never released. A fault on it ends it for all of them.
class GpuContext {
 public:
  // Throws what the driver reports.
  static GpuContext& of(const DriverLibrary& library, int ordinal);

  // Makes it the calling thread's. Other libraries of the process may have made another one current since the last call.
  int make_current() const;
  // Of the card, by the vendor's number. Throws what the driver reports.
  int attribute(int number) const;
  // The fault that ended it, or null.
  std::shared_ptr<const Failure> fault() const;
  // Remembers a sticky code. Returns what the code is to JS.
  DeviceError error(DriverCall call, int code, const std::string& doing = "");

  const DriverLibrary& library;
  const Driver& driver;
  const int ordinal;

 private:
  GpuContext(const DriverLibrary& library, int ordinal);

  int device_ = 0;
  void* handle_ = nullptr;
  // Set once `fault_` is.
  std::atomic<bool> faulted_{false};
  std::mutex mutex_;
  std::shared_ptr<const Failure> fault_;
};

}  // namespace lockstep
