#include "builtin.h"

#include "bodies.h"
#include "cpu.h"
#include "helpers.h"
#include "parameters.h"
#include "report-words.h"

namespace lockstep {

namespace {

// A launch that adds up as many numbers takes longer than to wake a thread.
constexpr int64_t SHARED_WORK = 1 << 18;
// Parts of a shared launch for each thread: one that is held up leaves its share to others.
constexpr int PARTS_PER_THREAD = 8;

const KernelInfo& info_of(Kernel kernel) {
  static const KernelInfo infos[] = {
#define LOCKSTEP_KERNEL(name) name##_info(),
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  };
  return infos[kernel];
}

struct SharedLaunch {
  Body body;
  void* const* parameters;
  int parts;
};

void run_part(void* context, int index) {
  const SharedLaunch& launch = *static_cast<const SharedLaunch*>(context);
  launch.body({index, launch.parts, 1}, launch.parameters);
}

void run_body(Kernel kernel, const lockstep_value* values, void* const* parameters) {
  const auto work = info_of(kernel).work;
  const int threads = work == nullptr ? 1 : cpu_choice().threads;
  if (threads == 1 || work(values) < SHARED_WORK) return body_of(kernel)(ONE_THREAD, parameters);
  SharedLaunch launch = {body_of(kernel), parameters, threads * PARTS_PER_THREAD};
  share_out(launch.parts, threads, run_part, &launch);
}

template <Kernel kernel>
int32_t run(const lockstep_value* values, lockstep_error* error) {
  const lockstep_kernel& self = builtin_kernels()->kernels[kernel];
  Report report = {};
  Parameters parameters;
  for (int32_t i = 0; i < self.argument_count; i++) {
    const int32_t kind = self.arguments[i].kind;
    if (kind == LOCKSTEP_I32 || kind == LOCKSTEP_I64) {
      parameters.add_scalar(kind, values[i].scalar);
    } else {
      parameters.add_buffer(reinterpret_cast<uint64_t>(values[i].address), values[i].bytes);
    }
  }
  parameters.add_report(reinterpret_cast<uint64_t>(&report));
  run_body(kernel, values, parameters.pointers());
  return report.fault == FAULT_NONE ? 0 : refuse(error, "%s", words_of(report).c_str());
}

template <Kernel kernel>
lockstep_kernel with_code(const KernelInfo& info) {
  return {info.name, info.argument_count, info.arguments, info.check, run<kernel>, info.items};
}

}  // namespace

const lockstep_kernel_table* builtin_kernels() {
  static const lockstep_kernel kernels[] = {
#define LOCKSTEP_KERNEL(name) with_code<KERNEL_##name>(info_of(KERNEL_##name)),
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  };
  static const lockstep_kernel_table table = {LOCKSTEP_KERNEL_ABI, KERNEL_COUNT, kernels};
  return &table;
}

}  // namespace lockstep
