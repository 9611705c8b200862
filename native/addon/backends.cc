#include "backends.h"

#include <cstdlib>

#include "host/host-backend.h"

namespace lockstep {

namespace {

[[noreturn]] void throw_unavailable(const std::string& kind, const std::vector<LoadAttempt>& attempts) {
  std::string reasons;
  for (const LoadAttempt& attempt : attempts) reasons += (reasons.empty() ? "" : "; ") + attempt.library + ": " + attempt.reason;
  throw DeviceError("ERR_DEVICE_UNAVAILABLE", "No " + kind + " device: " + reasons + ".", {{"device", kind}});
}

}  // namespace

std::optional<DeviceName> parse_device_name(const std::string& text) {
  const size_t colon = text.find(':');
  DeviceName name{text.substr(0, colon), std::nullopt};
  if (name.kind != "host" && name.kind != "cuda" && name.kind != "hip") return std::nullopt;
  if (colon == std::string::npos) return name;
  const std::string digits = text.substr(colon + 1);
  const bool number = !digits.empty() && digits.size() < 4 && digits.find_first_not_of("0123456789") == std::string::npos;
  if (name.kind == "host" || !number) return std::nullopt;
  name.ordinal = std::atoi(digits.c_str());
  return name;
}

OpenedBackend open_backend(const DeviceName& name, const std::optional<LocalRank>& local, const HipKernels& kernels) {
  if (name.kind == "host") return {create_host_backend(), "host, as asked"};
  const Vendor vendor = name.kind == "cuda" ? Vendor::cuda : Vendor::hip;
  std::vector<LoadAttempt> attempts;
  const DriverLibrary* const driver = load_driver(vendor, &attempts);
  if (driver == nullptr) throw_unavailable(name.kind, attempts);
  const CardChoice choice = choose_card(vendor, driver->device_count, name.ordinal, local.has_value() ? local : launcher_rank());
  const std::string card = name.kind + ":" + std::to_string(choice.ordinal) + " " + describe_card(*driver, choice.ordinal).name;
  return {create_gpu_backend(*driver, choice.ordinal, kernels), card + ", " + choice.why};
}

}  // namespace lockstep
