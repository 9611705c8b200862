#include "launch.h"

#include <algorithm>

#include "image.h"
#include "kernels/parameters.h"

namespace lockstep {

namespace {

constexpr unsigned block_threads = 256;

}  // namespace

bool launch_gpu_kernel(const GpuDevice& device, void* stream, const Launch& launch) {
  if (launch.raw != nullptr) {
    static_cast<const GpuImage&>(*launch.module).launch(stream, *launch.raw);
    return true;
  }
  const lockstep_kernel& kernel = *launch.kernel;
  Parameters parameters;
  lockstep_value values[LOCKSTEP_MAX_ARGUMENTS];
  for (size_t i = 0; i < launch.values.size(); i++) {
    const LaunchValue& value = launch.values[i];
    const int32_t kind = kernel.arguments[i].kind;
    values[i] = {nullptr, value.bytes, value.scalar};
    if (kind == LOCKSTEP_I32 || kind == LOCKSTEP_I64) parameters.add_scalar(kind, value.scalar);
    else parameters.add_buffer(value.address.value, value.bytes);
  }
  parameters.add_report(device.report);
  const int64_t items = kernel.items != nullptr ? kernel.items(values) : 1;
  if (items <= 0) return false;
  const int64_t blocks = std::min<int64_t>((items - 1) / block_threads + 1, device.most_blocks);
  void* const function = static_cast<const GpuModule&>(*launch.module).function(kernel);
  LOCKSTEP_DRIVE(device, launch, function, static_cast<unsigned>(blocks), 1, 1, block_threads, 1, 1, 0, stream, parameters.pointers(),
                 nullptr);
  return true;
}

}  // namespace lockstep
