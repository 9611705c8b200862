#pragma once

#include <cstdint>
#include <memory>

namespace lockstep {

// Bytes that a device holds. Only its JS thread uses it.
struct Account {
  int64_t allocated = 0;
  int64_t graph_bytes = 0;
  int64_t peak = 0;
  // Negative: none.
  int64_t limit = -1;
};

// Bytes taken from an account, given back when it goes.
class Charge {
 public:
  enum class For { buffer, graph };

  Charge() = default;
  // Throws ERR_DEVICE_MEMORY beyond the limit.
  Charge(std::shared_ptr<Account> account, size_t bytes, For what);
  Charge(Charge&& other) noexcept;
  Charge& operator=(Charge&& other) noexcept;
  ~Charge() { give_back(); }

 private:
  void give_back();

  std::shared_ptr<Account> account_;
  int64_t bytes_ = 0;
  For what_ = For::buffer;
};

}  // namespace lockstep
