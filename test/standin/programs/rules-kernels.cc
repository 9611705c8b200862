#include "kernel.h"
#include "rules.h"

namespace bench {

namespace {

int load_only(Bench& b, const std::vector<char>& image) {
  void* module = nullptr;
  return b.d.module_load(&module, image.data());
}

}  // namespace

std::vector<Rule> kernel_rules() {
  return {
      {"an image that is none", "cuModuleLoadData", c::error_invalid_image, [](Bench& b) { return load_only(b, std::vector<char>(128)); }},
      {"an image for another GPU", "cuModuleLoadData", c::error_no_binary,
       [](Bench& b) { return load_only(b, image_with(b.hip, {"lockstep_test_add"}, b.hip ? 0x3f : 100)); }},
      {"a kernel that the image lacks", "cuModuleGetFunction", c::error_not_found,
       [](Bench& b) {
         Kernel kernel(b, "lockstep_test_add");
         return b.d.module_function(&kernel.function, kernel.module, "lockstep_test_overrun");
       }},
      {"a kernel of a module that was unloaded", "cuModuleUnload", c::error_invalid_handle,
       [](Bench& b) {
         const Kernel kernel(b, "lockstep_test_add");
         succeed(b.d.module_unload(kernel.module), "module_unload");
         return kernel.launch(b, b.memory(256), 256, 1, b.memory(32), b.stream());
       }},
      {"a block of too many threads", "cuLaunchKernel", c::error_invalid_value,
       [](Bench& b) { return Kernel(b, "lockstep_test_add").launch(b, b.memory(256), 256, 1, b.memory(32), b.stream(), 1, 1025); }},
      {"a grid of no blocks", "cuLaunchKernel", c::error_invalid_value,
       [](Bench& b) { return Kernel(b, "lockstep_test_add").launch(b, b.memory(256), 256, 1, b.memory(32), b.stream(), 0, 32); }},
      {"a buffer said to be longer than it is", "stricter: found at the call", c::error_invalid_value,
       [](Bench& b) { return Kernel(b, "lockstep_test_add").launch(b, b.memory(256), 260, 1, b.memory(32), b.stream()); }},
      {"a report that has no room", "stricter: found at the call", c::error_invalid_value,
       [](Bench& b) { return Kernel(b, "lockstep_test_add").launch(b, b.memory(256), 256, 1, b.memory(16), b.stream()); }},
      {"a kernel that writes behind its buffer", "stricter: a red zone lies there", c::error_illegal_address,
       [](Bench& b) {
         void* const stream = b.stream();
         succeed(Kernel(b, "lockstep_test_overrun").launch(b, b.memory(256), 256, 1, b.memory(32), stream), "launch");
         return outcome(b, b.recorded(stream));
       }},
  };
}

}  // namespace bench
