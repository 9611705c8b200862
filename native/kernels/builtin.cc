#include "builtin.h"

#include "bodies.h"
#include "parameters.h"
#include "report-words.h"

namespace lockstep {

namespace {

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
  body_of(kernel)(ONE_THREAD, parameters.pointers());
  return report.fault == FAULT_NONE ? 0 : refuse(error, "%s", words_of(report).c_str());
}

template <Kernel kernel>
lockstep_kernel with_code(const KernelInfo& info) {
  return {info.name, info.argument_count, info.arguments, info.check, run<kernel>, info.items};
}

}  // namespace

const lockstep_kernel_table* builtin_kernels() {
  static const lockstep_kernel kernels[] = {
#define LOCKSTEP_KERNEL(name) with_code<KERNEL_##name>(name##_info()),
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  };
  static const lockstep_kernel_table table = {LOCKSTEP_KERNEL_ABI, KERNEL_COUNT, kernels};
  return &table;
}

}  // namespace lockstep
