#pragma once

#include <cstdint>
#include <cstring>

#include "include/lockstep-kernels.h"

namespace lockstep {

// The parameters of a launch as the kernels' entry points take them, for cuLaunchKernel, hipModuleLaunchKernel and the bodies on
// the host alike: of a buffer its address and its bytes, of a scalar its value, and last the report's address.
class Parameters {
 public:
  void add_buffer(uint64_t address, int64_t bytes) {
    add(&address, sizeof(address));
    add(&bytes, sizeof(bytes));
  }

  // `kind` is LOCKSTEP_I32 or LOCKSTEP_I64.
  void add_scalar(int32_t kind, int64_t value) {
    const auto narrow = static_cast<int32_t>(value);
    if (kind == LOCKSTEP_I32) {
      add(&narrow, sizeof(narrow));
    } else {
      add(&value, sizeof(value));
    }
  }

  void add_report(uint64_t address) { add(&address, sizeof(address)); }

  // Valid as long as this object is, and is not copied.
  void** pointers() { return pointers_; }
  int32_t count() const { return count_; }

 private:
  void add(const void* value, size_t size) {
    std::memcpy(&words_[count_], value, size);
    pointers_[count_] = &words_[count_];
    count_++;
  }

  static constexpr int32_t most = 2 * LOCKSTEP_MAX_ARGUMENTS + 1;
  uint64_t words_[most];
  void* pointers_[most];
  int32_t count_ = 0;
};

}  // namespace lockstep
