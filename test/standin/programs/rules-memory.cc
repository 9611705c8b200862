#include "rules.h"

namespace bench {

namespace {

// Page-aligned memory of the process, which the process's end lets go.
char* host_pages(size_t bytes) { return static_cast<char*>(std::aligned_alloc(4096, bytes)); }

void add(Bench& b, char* host, size_t bytes, unsigned flags = c::host_register_portable) {
  succeed(b.d.host_register(host, bytes, flags), "host_register");
}

// A copy whose memory goes before it runs, up to the query that reports it.
int outrun(Bench& b, const std::function<int(uint64_t memory, char* host)>& let_go) {
  void* const stream = b.stream();
  auto* const host = b.pinned<char>(64);
  const uint64_t memory = b.memory(64);
  succeed(b.d.copy_to_device(memory, host, 64, stream), "copy_to_device");
  void* const event = b.recorded(stream);
  succeed(let_go(memory, host), "letting go");
  return outcome(b, event);
}

}  // namespace

std::vector<Rule> device_rules() {
  return {
      {"call before init", "cuInit", c::error_not_initialized, [](Bench& b) { return b.d.device_count(std::vector<int>(1).data()); }, nullptr, false},
      {"no devices", "cuInit", c::error_no_device, [](Bench& b) { return b.d.init(0); }, "LOCKSTEP_STANDIN_DEVICES=0", false},
      {"flags of init", "cuInit", c::error_invalid_value, [](Bench& b) { return b.d.init(1); }, nullptr, false},
      {"no device current", "cuCtxSetCurrent", c::error_invalid_context,
       [](Bench& b) {
         succeed(b.d.init(0), "init");
         uint64_t memory = 0;
         return b.d.memory_allocate(&memory, 4);
       },
       nullptr, false},
      {"no device current on a second thread", "cuCtxSetCurrent", c::error_invalid_context,
       [](Bench& b) {
         return on_thread([&] {
           uint64_t memory = 0;
           return b.d.memory_allocate(&memory, 4);
         });
       }},
      {"a device that is not there", "cuDeviceGet", c::error_invalid_device,
       [](Bench& b) {
         int device = 0;
         return b.d.device_get(&device, 2);
       }},
      {"an attribute that is not in driver-constants.inc", "stricter: a number is checked before it is used", c::error_invalid_value,
       [](Bench& b) {
         int value = 0;
         return b.d.device_attribute(&value, 12345, 0);
       }},
      {"a call after a fault", "cuEventQuery", c::error_illegal_address,
       [](Bench& b) {
         check(outrun(b, [&](uint64_t memory, char*) { return b.d.memory_free(memory); }) == c::error_illegal_address, "no fault");
         uint64_t memory = 0;
         return b.d.memory_allocate(&memory, 4);
       }},
      {"an injected failure", "LOCKSTEP_STANDIN_FAIL", c::error_out_of_memory,
       [](Bench& b) {
         b.memory(64);
         uint64_t second = 0;
         return b.d.memory_allocate(&second, 64);
       },
       "LOCKSTEP_STANDIN_FAIL=memory_allocate:2:2"},
      {"an injected fault of work", "LOCKSTEP_STANDIN_FAIL", c::error_launch_failed,
       [](Bench& b) {
         void* const stream = b.stream();
         const uint64_t memory = b.memory(64);
         for (int i = 0; i < 2; i++) succeed(b.d.fill_words(memory, 0, 16, stream), "fill_words");
         return outcome(b, b.recorded(stream));
       },
       "LOCKSTEP_STANDIN_FAIL=work:2:719"},
  };
}

std::vector<Rule> memory_rules() {
  return {
      {"an allocation of no bytes", "cuMemAlloc", c::error_invalid_value,
       [](Bench& b) {
         uint64_t memory = 0;
         return b.d.memory_allocate(&memory, 0);
       }},
      {"more memory than there is", "cuMemAlloc", c::error_out_of_memory,
       [](Bench& b) {
         uint64_t memory = 0;
         b.memory(4096);
         return b.d.memory_allocate(&memory, 4097);
       },
       "LOCKSTEP_STANDIN_BYTES=8192"},
      {"a second free", "cuMemFree", c::error_invalid_value,
       [](Bench& b) {
         const uint64_t memory = b.memory(64);
         succeed(b.d.memory_free(memory), "memory_free");
         return b.d.memory_free(memory);
       }},
      {"a free of an inner address", "cuMemFree", c::error_invalid_value, [](Bench& b) { return b.d.memory_free(b.memory(64) + 4); }},
      {"a free on another device", "stricter: memory is one device's", c::error_invalid_value,
       [](Bench& b) {
         const uint64_t memory = b.memory(64);
         b.use(1);
         return b.d.memory_free(memory);
       }},
      {"a copy that ends behind its allocation", "stricter: found at the call", c::error_invalid_value,
       [](Bench& b) { return b.d.copy_to_device(b.memory(64) + 4, b.pinned<char>(64), 64, b.stream()); }},
      {"a copy to the host that begins behind its allocation", "stricter: found at the call", c::error_invalid_value,
       [](Bench& b) { return b.d.copy_to_host(b.pinned<char>(64), b.memory(64) + 64, 4, b.stream()); }},
      {"a host address for a device's", "cuMemcpyHtoDAsync", c::error_invalid_value,
       [](Bench& b) {
         auto* const host = host_pages(4096);
         return b.d.copy_to_device(reinterpret_cast<uint64_t>(host), host, 64, b.stream());
       }},
      {"memory of another device", "stricter: no device reads another's", c::error_invalid_value,
       [](Bench& b) {
         const uint64_t memory = b.memory(64);
         b.use(1);
         return b.d.copy_to_device(memory, b.pinned<char>(64), 64, b.stream());
       }},
      {"memory freed before its last work", "stricter: cuMemFree waits for nothing", c::error_illegal_address,
       [](Bench& b) { return outrun(b, [&](uint64_t memory, char*) { return b.d.memory_free(memory); }); }},
      {"host memory freed before its last work", "stricter: cuMemFreeHost waits for nothing", c::error_illegal_address,
       [](Bench& b) { return outrun(b, [&](uint64_t, char* host) { return b.d.host_free(host); }); }},
      {"a fill at an odd address", "cuMemsetD32Async", c::error_invalid_value,
       [](Bench& b) { return b.d.fill_words(b.memory(64) + 2, 0, 1, b.stream()); }},
      {"a registration inside another", "cuMemHostRegister", c::error_already_registered,
       [](Bench& b) {
         char* const host = host_pages(8192);
         add(b, host, 8192);
         return b.d.host_register(host + 4096, 16, 0);
       }},
      {"a second unregistration", "cuMemHostUnregister", c::error_not_registered,
       [](Bench& b) {
         char* const host = host_pages(4096);
         add(b, host, 4096);
         succeed(b.d.host_unregister(host), "host_unregister");
         return b.d.host_unregister(host);
       }},
      {"unregistration of the driver's own host memory", "cuMemHostUnregister", c::error_invalid_value,
       [](Bench& b) { return b.d.host_unregister(b.pinned<char>(64)); }},
      {"a free of registered memory", "cuMemFreeHost", c::error_invalid_value,
       [](Bench& b) {
         char* const host = host_pages(4096);
         add(b, host, 4096);
         return b.d.host_free(host);
       }},
      {"a copy from memory that is registered in part", "cuMemcpyHtoDAsync", c::error_invalid_value,
       [](Bench& b) {
         char* const host = host_pages(8192);
         add(b, host, 4096);
         return b.d.copy_to_device(b.memory(64), host + 4064, 64, b.stream());
       }},
      {"a device's address of memory that is not mapped", "cuMemHostGetDevicePointer", c::error_invalid_value,
       [](Bench& b) {
         char* const host = host_pages(4096);
         add(b, host, 4096);
         uint64_t address = 0;
         return b.d.host_device_address(&address, host, 0);
       }},
      {"a device's address of another device's memory", "cuMemHostRegister", c::error_invalid_value,
       [](Bench& b) {
         char* const host = host_pages(4096);
         add(b, host, 4096, c::host_register_mapped);
         b.use(1);
         uint64_t address = 0;
         return b.d.host_device_address(&address, host, 0);
       }},
      {"pageable memory where it is refused", "LOCKSTEP_STANDIN_PAGEABLE", c::error_invalid_value,
       [](Bench& b) { return b.d.copy_to_device(b.memory(64), host_pages(4096), 64, b.stream()); }, "LOCKSTEP_STANDIN_PAGEABLE=refuse"},
  };
}

}  // namespace bench
