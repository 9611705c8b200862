#pragma once

#include <napi.h>

#include <memory>
#include <utility>
#include <vector>

#include "arguments.h"
#include "env-state.h"

namespace lockstep {

// Reports to V8 the native bytes that a JS object keeps alive, so that it collects in time.
inline void report_bytes(napi_env env, int64_t change) {
  int64_t total;
  if (change != 0) napi_adjust_external_memory(env, change, &total);
}

// Counts as one JS object of a device.
class DeviceHold {
 public:
  explicit DeviceHold(std::shared_ptr<Device> device) : device_(std::move(device)) { device_->handles++; }
  DeviceHold(const DeviceHold&) = delete;
  DeviceHold& operator=(const DeviceHold&) = delete;
  ~DeviceHold() {
    if (--device_->handles == 0) device_->close();
  }
  const std::shared_ptr<Device>& get() const { return device_; }

 private:
  const std::shared_ptr<Device> device_;
};

// A JS class over a core object. T says `tag`, `index` and `name`. Only create() makes objects; every object carries its
// type tag, so that no other object is ever taken for it. V8 checks the receiver of a method (its signature).
template <typename T, typename Core>
class Handle : public Napi::ObjectWrap<T> {
 public:
  explicit Handle(const Napi::CallbackInfo& info) : Handle(info, take(info.Env())) {}

  static Napi::Object create(Napi::Env env, std::shared_ptr<Device> device, std::shared_ptr<Core> core) {
    EnvState& state = EnvState::of(env);
    const Pending pending{&T::tag, std::move(device), std::move(core)};
    state.pending = &pending;
    try {
      Napi::Object object = state.constructors[T::index].New({});
      state.pending = nullptr;
      return object;
    } catch (...) {
      state.pending = nullptr;
      throw;
    }
  }

  static T& from(Napi::Value value, const char* name, const char* expected) {
    bool tagged = false;
    void* object = nullptr;
    if (!value.IsObject() || napi_check_object_type_tag(value.Env(), value, &T::tag, &tagged) != napi_ok || !tagged ||
        napi_unwrap(value.Env(), value, &object) != napi_ok || object == nullptr) {
      invalid_argument(name, value, expected);
    }
    return *static_cast<T*>(object);
  }

  const std::shared_ptr<Core>& core() const { return core_; }
  const std::shared_ptr<Device>& device() const { return hold_.get(); }

 protected:
  template <Napi::Value (T::*method)(const Napi::CallbackInfo&)>
  static napi_property_descriptor method_of(const char* name) {
    napi_property_descriptor descriptor = {};
    descriptor.utf8name = name;
    descriptor.method = &Handle::template invoke<method>;
    return descriptor;
  }

  static void define(Napi::Env env, const std::vector<Napi::ClassPropertyDescriptor<T>>& methods) {
    EnvState::of(env).constructors[T::index] = Napi::Persistent(T::DefineClass(env, T::name, methods));
  }

 private:
  struct Pending {
    const napi_type_tag* tag;
    std::shared_ptr<Device> device;
    std::shared_ptr<Core> core;
  };

  Handle(const Napi::CallbackInfo& info, const Pending& pending)
      : Napi::ObjectWrap<T>(info), hold_(pending.device), core_(pending.core) {
    napi_type_tag_object(info.Env(), info.This(), &T::tag);
  }

  static const Pending& take(Napi::Env env) {
    EnvState& state = EnvState::of(env);
    const auto* pending = static_cast<const Pending*>(std::exchange(state.pending, nullptr));
    if (pending == nullptr || pending->tag != &T::tag) {
      throw Napi::TypeError::New(env, std::string(T::name) + " has no public constructor; a device makes it.");
    }
    return *pending;
  }

  template <Napi::Value (T::*method)(const Napi::CallbackInfo&)>
  static napi_value invoke(napi_env env, napi_callback_info raw) {
    return guarded(env, [&]() -> napi_value {
      const Napi::CallbackInfo info(env, raw);
      void* self = nullptr;
      if (napi_unwrap(env, info.This(), &self) != napi_ok || self == nullptr) {
        throw Napi::TypeError::New(env, "Illegal invocation");
      }
      return (static_cast<T*>(self)->*method)(info);
    });
  }

  // Declared first: the core object is destroyed before the device can be.
  const DeviceHold hold_;
  const std::shared_ptr<Core> core_;
};

}  // namespace lockstep
