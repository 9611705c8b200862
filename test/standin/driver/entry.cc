#include "entry.h"

#include "../shared/plan.h"
#include "report.h"

namespace standin {

namespace {

#ifdef STANDIN_HIP
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) hip,
#else
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) cuda,
#endif
const char* const symbols[] = {
#include "gpu/driver-symbols.inc"
};
#undef ROW

#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) #field,
const char* const fields[] = {
#include "gpu/driver-symbols.inc"
};
#undef ROW

// Codes after which a context is of no use to its process.
bool sticky(int code) {
  switch (code) {
    case constant::error_ecc:
    case constant::error_illegal_address:
    case constant::error_launch_timeout:
    case constant::error_assert:
    case constant::error_hardware_stack:
    case constant::error_illegal_instruction:
    case constant::error_misaligned_address:
    case constant::error_invalid_address_space:
    case constant::error_invalid_pc:
    case constant::error_launch_failed:
      return true;
    default:
      return false;
  }
}

int state(Needs needs) {
  World& all = world();
  if (all.ended) return constant::error_deinitialized;
  if (needs == Needs::nothing) return 0;
  if (!all.started) return constant::error_not_initialized;
  if (needs == Needs::start) return 0;
  const int device = current().device;
  if (device < 0) return refuse(constant::error_invalid_context, "no device is current on this thread");
  if (all.devices[static_cast<size_t>(device)].fault != 0) {
    report().after_fault++;
    return all.devices[static_cast<size_t>(device)].fault;
  }
  if (needs == Needs::device_outside_captures && forbidden_by_capture()) {
    return refuse(constant::error_capture_unsupported, "not allowed while this thread's capture goes on");
  }
  return 0;
}

}  // namespace

const char* symbol_of(Row row) { return symbols[static_cast<int>(row)]; }

int injected_work() { return planned_failure({"work"}, ++report().work); }

Entry::Entry(Row row, Needs needs) : lock_(world().mutex) {
  const int index = static_cast<int>(row);
  Report& counts = report();
  counts.last = symbols[index] == nullptr ? fields[index] : symbols[index];
  const size_t nth = ++counts.calls[index];
  code = state(needs);
  if (code != 0) return;
  code = planned_failure({symbols[index] == nullptr ? "" : symbols[index], fields[index]}, nth);
  if (code == 0) return;
  counts.injected++;
  const bool on_device = needs == Needs::device || needs == Needs::device_outside_captures;
  if (sticky(code) && on_device) kill_device(current().device, code, "injected");
}

void kill_device(int device, int code, const std::string& text) {
  Device& dead = world().devices[static_cast<size_t>(device)];
  if (dead.fault != 0) return;
  dead.fault = code;
  report().faults.push_back(std::to_string(code) + " on device " + std::to_string(device) + ": " + text);
}

bool forbidden_by_capture() {
  const int mode = current().capture_mode;
  bool forbidden = false;
  for (const auto& capture : world().captures) {
    const bool own = capture->thread == std::this_thread::get_id() && capture->mode != constant::capture_relaxed;
    const bool others = capture->mode == constant::capture_global && mode == constant::capture_global;
    if (mode == constant::capture_relaxed || !(own || others)) continue;
    capture->invalid = true;
    forbidden = true;
  }
  return forbidden;
}

}  // namespace standin
