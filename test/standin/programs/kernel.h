#pragma once

#include "bench.h"

namespace bench {

// A kernel of one buffer and one i32, of a module of its own.
struct Kernel {
  void* module = nullptr;
  void* function = nullptr;

  Kernel(Bench& b, const char* name) {
    // What the stand-in says it is by default: 9.0, or gfx942.
    const std::vector<char> image = image_with(b.hip, {name}, b.hip ? 0x4c : 90);
    succeed(b.d.module_load(&module, image.data()), "module_load");
    succeed(b.d.module_function(&function, module, name), "module_function");
  }

  int launch(Bench& b, uint64_t address, int64_t bytes, int32_t value, uint64_t report, void* stream, unsigned grid = 2,
             unsigned block = 32) const {
    void* parameters[] = {&address, &bytes, &value, &report};
    return b.d.launch(function, grid, 1, 1, block, 1, 1, 0, stream, parameters, nullptr);
  }
};

}  // namespace bench
