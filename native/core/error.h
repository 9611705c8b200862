#pragma once

#include <cstdint>
#include <exception>
#include <initializer_list>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace lockstep {

// A value of `details`: numbers stay exact up to 2^53.
struct Detail {
  const char* name;
  std::variant<double, std::string, std::vector<int32_t>> value;

  template <typename Integer, typename = std::enable_if_t<std::is_arithmetic_v<Integer>>>
  Detail(const char* name, Integer value) : name(name), value(static_cast<double>(value)) {}
  Detail(const char* name, std::string value) : name(name), value(std::move(value)) {}
  Detail(const char* name, std::vector<int32_t> value) : name(name), value(std::move(value)) {}
};

// What the addon throws to JS: an `ErrorCode` of src/errors.ts, a message, and the values that mattered.
class DeviceError : public std::exception {
 public:
  DeviceError(std::string code, std::string message, std::vector<Detail> details = {})
      : code(std::move(code)), message(std::move(message)), details(std::move(details)) {}

  const char* what() const noexcept override { return message.c_str(); }

  std::string code;
  std::string message;
  std::vector<Detail> details;
};

}  // namespace lockstep
