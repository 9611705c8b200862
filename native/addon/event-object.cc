#include "async-wait.h"
#include "core/capture.h"
#include "objects.h"

namespace lockstep {

void EventObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&EventObject::query>("query"),
                          method_of<&EventObject::last>("last"),
                          method_of<&EventObject::wait_slice>("waitSlice"),
                          method_of<&EventObject::wait_slice_async>("waitSliceAsync"),
                          method_of<&EventObject::dispose>("dispose"),
                      });
}

Napi::Value EventObject::wrap(Napi::Env env, const std::shared_ptr<Event>& event) {
  Napi::Object object = create(env, event->device, event);
  object.Set("id", event->id);
  return object;
}

const std::shared_ptr<Mark>& EventObject::mark() const {
  device()->require_open();
  if (core()->disposed) throw_disposed("event", core()->id);
  if (core()->capture != nullptr) {
    const char* const mistake = core()->capture->ended
                                    ? " was last recorded in a capture that has ended; record it again."
                                    : " was recorded in a capture under way, whose streams alone can wait for it; end the "
                                      "capture, then record it again.";
    throw DeviceError("ERR_DEVICE_CAPTURE", "Event " + std::to_string(core()->id) + mistake, {{"event", core()->id}});
  }
  return core()->mark;
}

Napi::Value EventObject::query(const Napi::CallbackInfo& info) {
  const WaitResult result = wait_for(mark(), 0);
  if (result.failure != nullptr) throw DeviceError(result.failure->error);
  return Napi::Boolean::New(info.Env(), result.done);
}

Napi::Value EventObject::wait_slice(const Napi::CallbackInfo& info) {
  const WaitResult result = wait_for(mark(), wait_argument(info[0]));
  if (result.failure != nullptr) throw DeviceError(result.failure->error);
  return Napi::Boolean::New(info.Env(), result.done);
}

Napi::Value EventObject::wait_slice_async(const Napi::CallbackInfo& info) {
  const double ms = wait_argument(info[0]);
  if (mark() != nullptr) mark()->expect();
  return wait_async(info.Env(), mark(), ms);
}

Napi::Value EventObject::last(const Napi::CallbackInfo& info) {
  const auto held = mark();
  const auto event = core()->device->create_event(false);
  event->mark = held;
  return wrap(info.Env(), event);
}

Napi::Value EventObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

}  // namespace lockstep
