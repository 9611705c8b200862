#include "gpu-error.h"

#include <cstring>

#include "driver-constants.h"

namespace lockstep {

namespace {

// CUDA has all the numbers that HIP has, with the same meaning, and more.
namespace constant = cuda_constant;

// One code and what becomes of it. Those that are not here are ERR_DEVICE_DRIVER.
struct Meaning {
  int code;
  const char* error;
  // Its context is dead: every later call of the process reports the same.
  bool sticky;
  // What to do, or what the driver's words leave out.
  const char* advice;
};

constexpr const char* NO_DEVICE = "the driver sees no GPU";

constexpr Meaning MEANINGS[] = {
    {constant::error_out_of_memory, "ERR_DEVICE_MEMORY", false,
     "dispose of what is not needed, or capture fewer graphs"},
    {constant::error_deinitialized, "ERR_DISPOSED", false, "the process is ending"},
    {constant::error_stub_library, "ERR_DEVICE_UNAVAILABLE", false,
     "this is the toolkit's stub to link with, and no driver; take its folder off LD_LIBRARY_PATH"},
    {constant::error_device_unavailable, "ERR_DEVICE_UNAVAILABLE", false,
     "another process has the GPU for itself, or its compute mode forbids any"},
    {constant::error_no_device, "ERR_DEVICE_UNAVAILABLE", false, NO_DEVICE},
    {constant::error_invalid_device, "ERR_DEVICE_UNAVAILABLE", false, NO_DEVICE},
    {constant::error_invalid_image, "ERR_LAUNCH_INVALID", false, "the kernels' image is damaged or of another kind"},
    {constant::error_no_binary, "ERR_LAUNCH_INVALID", false, "the kernels' image holds no code for this GPU"},
    {constant::error_invalid_ptx, "ERR_LAUNCH_INVALID", false, "the driver could not compile the kernels"},
    {constant::error_unsupported_ptx, "ERR_LAUNCH_INVALID", false,
     "the kernels were compiled by a newer toolkit than the driver knows"},
    {constant::error_not_found, "ERR_LAUNCH_INVALID", false, "the image holds nothing of that name"},
    {constant::error_launch_resources, "ERR_LAUNCH_INVALID", false,
     "the kernel needs more registers or shared memory than there are"},
    {constant::error_system_not_ready, "ERR_DEVICE_UNAVAILABLE", false,
     "a service that the GPUs need is not running (on NVSwitch machines nvidia-fabricmanager)"},
    {constant::error_driver_mismatch, "ERR_DEVICE_UNAVAILABLE", false,
     "the library and the kernel module are of different versions; restart the machine after an update, or give the container the "
     "host's library"},
    {constant::error_compat_not_supported, "ERR_DEVICE_UNAVAILABLE", false,
     "the compatibility library of a newer CUDA does not support this GPU; take it off LD_LIBRARY_PATH, or update the driver"},
    {constant::error_capture_unsupported, "ERR_DEVICE_CAPTURE", false, "a capture does not allow it"},
    {constant::error_capture_invalidated, "ERR_DEVICE_CAPTURE", false, "an earlier call has made the capture invalid"},
    {constant::error_capture_merge, "ERR_DEVICE_CAPTURE", false, "it would join two captures"},
    {constant::error_capture_unmatched, "ERR_DEVICE_CAPTURE", false, "another stream began the capture"},
    {constant::error_capture_unjoined, "ERR_DEVICE_CAPTURE", false, "a stream of the capture was not waited for before its end"},
    {constant::error_capture_isolation, "ERR_DEVICE_CAPTURE", false, "it would wait for work outside the capture"},
    {constant::error_capture_implicit, "ERR_DEVICE_CAPTURE", false, "it would wait for the default stream"},
    {constant::error_captured_event, "ERR_DEVICE_CAPTURE", false, "the event was last recorded in a capture"},
    {constant::error_capture_wrong_thread, "ERR_DEVICE_CAPTURE", false, "another thread began the capture"},
    {constant::error_ecc, "ERR_DEVICE_LOST", true, "the GPU's memory holds an error that it cannot correct"},
    {constant::error_nvlink, "ERR_DEVICE_LOST", true, "a link between GPUs failed"},
    {constant::error_contained, "ERR_DEVICE_LOST", true, ""},
    {constant::error_illegal_address, "ERR_DEVICE_LOST", true, "a kernel or copy used memory that is not allocated"},
    {constant::error_launch_timeout, "ERR_DEVICE_LOST", true, "a kernel ran for longer than the system allows"},
    {constant::error_context_destroyed, "ERR_DEVICE_LOST", true, ""},
    {constant::error_assert, "ERR_DEVICE_LOST", true, "a kernel's assertion failed"},
    {constant::error_hardware_stack, "ERR_DEVICE_LOST", true, ""},
    {constant::error_illegal_instruction, "ERR_DEVICE_LOST", true, ""},
    {constant::error_misaligned_address, "ERR_DEVICE_LOST", true,
     "a kernel used an address that is not a multiple of the value's size"},
    {constant::error_invalid_address_space, "ERR_DEVICE_LOST", true, ""},
    {constant::error_invalid_pc, "ERR_DEVICE_LOST", true, ""},
    {constant::error_launch_failed, "ERR_DEVICE_LOST", true, "a kernel ended by a fault"},
    {constant::error_tensor_memory_leak, "ERR_DEVICE_LOST", true, ""},
    {constant::error_mps_terminated, "ERR_DEVICE_LOST", true, "the server that shares the GPU has ended this process's part"},
    {constant::error_external_device, "ERR_DEVICE_LOST", true, ""},
};

const Meaning* meaning_of(int code) {
  for (const Meaning& one : MEANINGS) {
    if (one.code == code) return &one;
  }
  return nullptr;
}

std::string own_name(Vendor vendor, const Driver& table, int code) {
  const char* name = nullptr;
  if (vendor == Vendor::cuda && table.cuda_error_name != nullptr) table.cuda_error_name(code, &name);
  if (vendor == Vendor::hip && table.hip_error_name != nullptr) name = table.hip_error_name(code);
  return name != nullptr ? name : "";
}

std::string own_text(Vendor vendor, const Driver& table, int code) {
  const char* text = nullptr;
  if (vendor == Vendor::cuda && table.cuda_error_text != nullptr) table.cuda_error_text(code, &text);
  if (vendor == Vendor::hip && table.hip_error_text != nullptr) text = table.hip_error_text(code);
  return text != nullptr ? text : "";
}

}  // namespace

std::string code_name(Vendor vendor, const Driver& table, int code) {
  const std::string name = own_name(vendor, table, code);
  return (name.empty() ? "an error without a name" : name) + " (" + std::to_string(code) + ")";
}

std::string code_text(Vendor vendor, const Driver& table, int code) {
  std::string text = code_name(vendor, table, code);
  // Some versions give the name again.
  const std::string own = own_text(vendor, table, code);
  if (!own.empty() && own != own_name(vendor, table, code)) text += ", \"" + own + "\"";
  const Meaning* const meaning = meaning_of(code);
  if (meaning != nullptr && *meaning->advice != '\0') text += std::string(": ") + meaning->advice;
  return text;
}

bool is_sticky(int code) {
  const Meaning* const meaning = meaning_of(code);
  return meaning != nullptr && meaning->sticky;
}

bool is_asynchronous(int code) { return is_sticky(code) || code == constant::error_unknown; }

DeviceError driver_error(const DriverLibrary& driver, DriverCall call, int code, const std::string& doing) {
  const char* const function = symbol_name(driver.vendor, call);
  const Meaning* const meaning = meaning_of(code);
  std::string message = "The " + std::string(vendor_name(driver.vendor)) + " driver failed" + (doing.empty() ? "" : " " + doing) +
                        ": " + function + " reported " + code_text(driver.vendor, driver.table, code) + ".";
  if (is_asynchronous(code)) message += " It may stem from earlier work on the device.";
  if (is_sticky(code)) message += " The device is lost to this process; start it again.";
  return DeviceError(meaning != nullptr ? meaning->error : "ERR_DEVICE_DRIVER", std::move(message),
                     {{"driver", std::string(driver.vendor == Vendor::cuda ? "cuda" : "hip")},
                      {"function", std::string(function)},
                      {"driverCode", code},
                      {"driverName", own_name(driver.vendor, driver.table, code)}});
}

}  // namespace lockstep
