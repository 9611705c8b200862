#pragma once

#include <napi.h>

#include <cstdint>

#include "core/error.h"

namespace lockstep {

// Checks of what JS passed. All throw ERR_INPUT_INVALID, naming the argument.

[[noreturn]] void invalid_argument(const char* name, Napi::Value value, const char* expected);
// A number without fraction within ±(2^53 - 1).
int64_t integer_argument(Napi::Value value, const char* name);
double wait_argument(Napi::Value value);

struct Bytes {
  std::byte* address;
  size_t bytes;
};
// The memory of a typed array or DataView.
Bytes view_argument(Napi::Value value, const char* name);

// A JS error with `code` and `details`; null when none can be made (the environment is ending).
napi_value error_value(napi_env env, const DeviceError& error);
void throw_error(napi_env env, const DeviceError& error);

// Runs the body of a native method. No C++ exception leaves it.
template <typename Body>
napi_value guarded(napi_env env, Body body) noexcept {
  try {
    return body();
  } catch (const DeviceError& error) {
    throw_error(env, error);
  } catch (const Napi::Error& error) {
    error.ThrowAsJavaScriptException();
  } catch (const std::bad_alloc&) {
    napi_throw_error(env, "ERR_DEVICE_MEMORY", "The process has no memory left; dispose objects that are not needed.");
  } catch (const std::exception& error) {
    napi_throw_error(env, nullptr, error.what());
  } catch (...) {
    napi_throw_error(env, nullptr, "A native call threw a value that is not a std::exception; check the kernel libraries in use.");
  }
  return nullptr;
}

}  // namespace lockstep
