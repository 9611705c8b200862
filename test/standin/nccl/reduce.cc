#include "reduce.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "collectives/nccl.h"

namespace standin {

namespace {

using namespace lockstep;

struct Bfloat16 {
  uint16_t bits;
  Bfloat16() = default;
  explicit Bfloat16(double value) {
    const auto narrow = static_cast<float>(value);
    uint32_t word;
    std::memcpy(&word, &narrow, 4);
    // To the nearest, ties to even.
    bits = static_cast<uint16_t>((word + 0x7fff + ((word >> 16) & 1)) >> 16);
  }
  explicit operator double() const {
    const uint32_t word = uint32_t{bits} << 16;
    float wide;
    std::memcpy(&wide, &word, 4);
    return wide;
  }
};

template <class T>
using Wide = std::conditional_t<std::is_integral_v<T>, T, double>;

template <class T>
T combine(T a, T b, int op) {
  const auto x = static_cast<Wide<T>>(a), y = static_cast<Wide<T>>(b);
  switch (op) {
    case NCCL_PRODUCT: return static_cast<T>(x * y);
    case NCCL_MAX: return static_cast<T>(std::max(x, y));
    case NCCL_MIN: return static_cast<T>(std::min(x, y));
    default: return static_cast<T>(x + y);
  }
}

// Calls `work` with a value of the type.
template <class Work>
void with_type(int type, Work work) {
  switch (type) {
    case NCCL_INT8: return work(int8_t{});
    case NCCL_UINT8: return work(uint8_t{});
    case NCCL_INT32: return work(int32_t{});
    case NCCL_UINT32: return work(uint32_t{});
    case NCCL_INT64: return work(int64_t{});
    case NCCL_UINT64: return work(uint64_t{});
    case NCCL_FLOAT16: return work(_Float16{});
    case NCCL_FLOAT32: return work(float{});
    case NCCL_FLOAT64: return work(double{});
    case NCCL_BFLOAT16: return work(Bfloat16{});
    default: return;
  }
}

template <class T>
T load(const void* from, size_t i) {
  T value;
  std::memcpy(&value, static_cast<const char*>(from) + i * sizeof(T), sizeof(T));
  return value;
}

template <class T>
void store(void* to, size_t i, T value) {
  std::memcpy(static_cast<char*>(to) + i * sizeof(T), &value, sizeof(T));
}

}  // namespace

size_t element_bytes(int type) {
  size_t bytes = 0;
  with_type(type, [&](auto zero) { bytes = sizeof(zero); });
  return bytes;
}

bool known_op(int op) { return op >= NCCL_SUM && op <= NCCL_AVERAGE; }

const char* type_name(int type) {
  const char* const names[] = {"int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bfloat16"};
  return type >= 0 && type <= NCCL_BFLOAT16 ? names[type] : "unknown";
}

void reduce_into(void* into, const void* from, size_t count, int type, int op) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < count; i++) store<T>(into, i, combine(load<T>(into, i), load<T>(from, i), op));
  });
}

void divide(void* into, size_t count, int type, int ranks) {
  with_type(type, [&](auto zero) {
    using T = decltype(zero);
    for (size_t i = 0; i < count; i++) store<T>(into, i, static_cast<T>(static_cast<Wide<T>>(load<T>(into, i)) / ranks));
  });
}

}  // namespace standin
