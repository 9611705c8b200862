#include "arguments.h"

#include <cmath>
#include <string>

namespace lockstep {

namespace {

std::string describe(Napi::Value value) {
  switch (value.Type()) {
    case napi_undefined:
      return "undefined";
    case napi_null:
      return "null";
    case napi_boolean:
      return value.As<Napi::Boolean>().Value() ? "true" : "false";
    case napi_number: {
      const double number = value.As<Napi::Number>().DoubleValue();
      if (std::trunc(number) == number && std::abs(number) < 9e15) return std::to_string(static_cast<int64_t>(number));
      return std::to_string(number);
    }
    case napi_string:
      return "a string";
    case napi_symbol:
      return "a symbol";
    case napi_bigint:
      return "a bigint";
    case napi_function:
      return "a function";
    default:
      return "another object";
  }
}

}  // namespace

void invalid_argument(const char* name, Napi::Value value, const char* expected) {
  const std::string given = describe(value);
  throw DeviceError("ERR_INPUT_INVALID", std::string(name) + " is " + given + "; give " + expected + ".",
                    {{"name", std::string(name)}, {"value", given}});
}

int64_t integer_argument(Napi::Value value, const char* name) {
  constexpr double limit = 9007199254740991.0;
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (std::trunc(number) == number && std::abs(number) <= limit) return static_cast<int64_t>(number);
  }
  invalid_argument(name, value, "a whole number");
}

double wait_argument(Napi::Value value) {
  if (value.IsNumber()) {
    const double ms = value.As<Napi::Number>().DoubleValue();
    if (ms >= 0) return ms > 50 ? 50 : ms;
  }
  invalid_argument("ms", value, "milliseconds, 0 or more");
}

namespace {

// Bytes of an element; 0 of a type that is not known. Node-API's headers of Node 20 do not name Float16Array's, and node-addon-api
// counts 0 bytes of it.
size_t element_bytes(napi_typedarray_type type) {
  constexpr int float16 = 11;
  switch (static_cast<int>(type)) {
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    case napi_int16_array:
    case napi_uint16_array:
    case float16:
      return 2;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array:
      return 4;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

Bytes view_argument(Napi::Value value, const char* name) {
  void* address = nullptr;
  size_t bytes = 0;
  if (value.IsTypedArray()) {
    // Node leaves it as it is for a type that it does not know.
    constexpr auto unknown = static_cast<napi_typedarray_type>(15);
    napi_typedarray_type type = unknown;
    size_t length = 0;
    if (napi_get_typedarray_info(value.Env(), value, &type, &length, &address, nullptr, nullptr) == napi_ok) {
      const size_t size = element_bytes(type);
      if (size != 0) return {static_cast<std::byte*>(address), length * size};
      invalid_argument(name, value, "a typed array whose elements this Node describes, such as a Uint8Array over its memory");
    }
  } else if (value.IsDataView()) {
    if (napi_get_dataview_info(value.Env(), value, &bytes, &address, nullptr, nullptr) == napi_ok) {
      return {static_cast<std::byte*>(address), bytes};
    }
  }
  invalid_argument(name, value, "a typed array");
}

napi_value error_value(napi_env env, const DeviceError& error) {
  napi_value code;
  napi_value message;
  napi_value result;
  napi_value details;
  if (napi_create_string_utf8(env, error.code.data(), error.code.size(), &code) != napi_ok ||
      napi_create_string_utf8(env, error.message.data(), error.message.size(), &message) != napi_ok ||
      napi_create_error(env, code, message, &result) != napi_ok || napi_create_object(env, &details) != napi_ok) {
    return nullptr;
  }
  for (const Detail& detail : error.details) {
    napi_value value;
    napi_status status;
    if (const auto* text = std::get_if<std::string>(&detail.value)) {
      status = napi_create_string_utf8(env, text->data(), text->size(), &value);
    } else if (const auto* numbers = std::get_if<std::vector<int32_t>>(&detail.value)) {
      status = napi_create_array_with_length(env, numbers->size(), &value);
      for (uint32_t i = 0; status == napi_ok && i < numbers->size(); i++) {
        napi_value number;
        status = napi_create_int32(env, (*numbers)[i], &number);
        if (status == napi_ok) status = napi_set_element(env, value, i, number);
      }
    } else {
      status = napi_create_double(env, std::get<double>(detail.value), &value);
    }
    if (status == napi_ok) napi_set_named_property(env, details, detail.name, value);
  }
  napi_set_named_property(env, result, "details", details);
  return result;
}

void throw_error(napi_env env, const DeviceError& error) {
  if (napi_value value = error_value(env, error)) napi_throw(env, value);
}

}  // namespace lockstep
