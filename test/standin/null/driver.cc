// A CUDA driver whose calls are counted and do nothing: what a step costs over it is what JavaScript and the addon add. Memory of the
// device is numbers that nothing reads, events are reached at once, and a kernel's report says that nothing failed.
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "../shared/json.h"
#include "gpu/driver-constants.h"

namespace null_driver {

enum class Row : int {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) field,
#include "gpu/driver-symbols.inc"
#undef ROW
  count
};

constexpr const char* symbols[] = {
#define ROW(field, parameters, cuda, cuda_need, hip, hip_need) cuda,
#include "gpu/driver-symbols.inc"
#undef ROW
};

std::atomic<size_t> calls[static_cast<int>(Row::count)];
std::atomic<uint64_t> next{1 << 20};

// An address, or a handle, that no other has.
uint64_t fresh(size_t bytes) { return next.fetch_add((bytes + 511) / 512 * 512); }

int made(Row row, void** handle) {
  calls[static_cast<int>(row)]++;
  *handle = reinterpret_cast<void*>(fresh(1));
  return 0;
}

__attribute__((destructor)) void at_exit() {
  standin::Counts counts;
  for (int row = 0; row < static_cast<int>(Row::count); row++) {
    if (calls[row] > 0) counts.emplace_back(symbols[row], calls[row].load());
  }
  standin::add_to_report("{\"library\":\"cuda\",\"calls\":" + standin::object_of(counts) + "}");
}

}  // namespace null_driver

using null_driver::calls;
using null_driver::fresh;
using null_driver::made;
using null_driver::Row;
namespace constant = lockstep::driver_constant;

#define COUNT(row) calls[static_cast<int>(Row::row)]++
#define EXPORTED extern "C" __attribute__((visibility("default")))
#define NOTHING(row, symbol, ...) \
  EXPORTED int symbol(__VA_ARGS__) { return COUNT(row), 0; }

// Start, and what there is.
NOTHING(init, cuInit, unsigned)
EXPORTED int cuDriverGetVersion(int* version) { return COUNT(driver_version), *version = 13000, 0; }
EXPORTED int cuDeviceGetCount(int* count) { return COUNT(device_count), *count = 1, 0; }
EXPORTED int cuDeviceGet(int* device, int ordinal) { return COUNT(device_get), *device = ordinal, 0; }
EXPORTED int cuDeviceGetName(char* name, int length, int) {
  std::snprintf(name, static_cast<size_t>(length), "lockstep stand-in, whose calls do nothing");
  return COUNT(device_name), 0;
}
EXPORTED int cuDeviceGetPCIBusId(char* id, int length, int) {
  std::snprintf(id, static_cast<size_t>(length), "0000:00:00.0");
  return COUNT(device_pci), 0;
}
EXPORTED int cuDeviceTotalMem_v2(size_t* bytes, int) { return COUNT(device_bytes), *bytes = size_t{1} << 40, 0; }
EXPORTED int cuDeviceGetAttribute(int* value, int attribute, int) {
  *value = attribute == lockstep::cuda_constant::device_warp ? 32 : attribute == lockstep::cuda_constant::device_processors ? 128 : 9;
  return COUNT(device_attribute), 0;
}
EXPORTED int cuDevicePrimaryCtxRetain(void** context, int) { return made(Row::context_retain, context); }
NOTHING(context_current, cuCtxSetCurrent, void*)
EXPORTED int cuGetErrorName(int, const char** name) { return *name = "CUDA_ERROR_UNKNOWN", 0; }
EXPORTED int cuGetErrorString(int, const char** text) { return *text = "nothing fails here", 0; }

// Memory.
EXPORTED int cuMemGetInfo_v2(size_t* free, size_t* total) { return COUNT(memory_info), *free = *total = size_t{1} << 40, 0; }
EXPORTED int cuMemAlloc_v2(uint64_t* address, size_t bytes) { return COUNT(memory_allocate), *address = fresh(bytes), 0; }
NOTHING(memory_free, cuMemFree_v2, uint64_t)
EXPORTED int cuMemHostAlloc(void** host, size_t bytes, unsigned) {
  COUNT(host_allocate);
  *host = std::calloc(bytes, 1);
  return *host == nullptr ? constant::error_out_of_memory : 0;
}
EXPORTED int cuMemFreeHost(void* host) { return COUNT(host_free), std::free(host), 0; }
NOTHING(host_register, cuMemHostRegister_v2, void*, size_t, unsigned)
NOTHING(host_unregister, cuMemHostUnregister, void*)
EXPORTED int cuMemHostGetDevicePointer_v2(uint64_t* address, void* host, unsigned) {
  return COUNT(host_device_address), *address = reinterpret_cast<uint64_t>(host), 0;
}
NOTHING(copy_to_device, cuMemcpyHtoDAsync_v2, uint64_t, const void*, size_t, void*)
NOTHING(copy_to_host, cuMemcpyDtoHAsync_v2, void*, uint64_t, size_t, void*)
NOTHING(copy_within, cuMemcpyDtoDAsync_v2, uint64_t, uint64_t, size_t, void*)
NOTHING(fill_words, cuMemsetD32Async, uint64_t, unsigned, size_t, void*)

// Streams and events.
EXPORTED int cuCtxGetStreamPriorityRange(int* least, int* greatest) { return COUNT(stream_priorities), *least = *greatest = 0; }
EXPORTED int cuStreamCreateWithPriority(void** stream, unsigned, int) { return made(Row::stream_create, stream); }
NOTHING(stream_destroy, cuStreamDestroy_v2, void*)
NOTHING(stream_wait, cuStreamWaitEvent, void*, void*, unsigned)
EXPORTED int cuEventCreate(void** event, unsigned) { return made(Row::event_create, event); }
NOTHING(event_destroy, cuEventDestroy_v2, void*)
NOTHING(event_record, cuEventRecord, void*, void*)
NOTHING(event_query, cuEventQuery, void*)
EXPORTED int cuEventElapsedTime(float* ms, void*, void*) { return COUNT(event_elapsed), *ms = 0, 0; }

// Capture and graphs.
NOTHING(capture_begin, cuStreamBeginCapture_v2, void*, int)
EXPORTED int cuStreamEndCapture(void*, void** graph) { return made(Row::capture_end, graph); }
EXPORTED int cuStreamGetCaptureInfo_v2(void*, int* status, unsigned long long*, void**, void* const**, size_t*) {
  return COUNT(capture_info), *status = 0, 0;
}
NOTHING(capture_mode, cuThreadExchangeStreamCaptureMode, int*)
EXPORTED int cuGraphInstantiateWithFlags(void** executable, void*, unsigned long long) { return made(Row::graph_instantiate, executable); }
NOTHING(graph_destroy, cuGraphDestroy, void*)
EXPORTED int cuGraphGetNodes(void*, void**, size_t* count) { return COUNT(graph_nodes), *count = 1, 0; }
EXPORTED int cuGraphGetEdges(void*, void**, void**, size_t* count) { return COUNT(graph_edges), *count = 0, 0; }
NOTHING(executable_destroy, cuGraphExecDestroy, void*)
NOTHING(graph_upload, cuGraphUpload, void*, void*)
NOTHING(graph_launch, cuGraphLaunch, void*, void*)

// Modules and kernels.
EXPORTED int cuModuleLoadData(void** module, const void*) { return made(Row::module_load, module); }
NOTHING(module_unload, cuModuleUnload, void*)
EXPORTED int cuModuleGetFunction(void** function, void*, const char*) { return made(Row::module_function, function); }
EXPORTED int cuFuncGetAttribute(int* value, int, void*) { return COUNT(function_attribute), *value = 1024, 0; }
NOTHING(function_set_attribute, cuFuncSetAttribute, void*, int, int)
NOTHING(launch, cuLaunchKernel, void*, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void*, void**, void**)
