#include "host-captures.h"

namespace lockstep {

void HostCaptures::require_none(const char* what) {
  if (under_way_ == 0) return;
  violations_++;
  throw DeviceError("ERR_DEVICE_CAPTURE",
                    std::string(what) + " is not possible in a capture, which is lost by it; do so before it begins.");
}

}  // namespace lockstep
