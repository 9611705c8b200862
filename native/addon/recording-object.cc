#include "objects.h"

namespace lockstep {

void RecordingObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&RecordingObject::instantiate>("instantiate"),
                          method_of<&RecordingObject::dispose>("dispose"),
                      });
}

Napi::Value RecordingObject::wrap(Napi::Env env, const std::shared_ptr<Recording>& recording) {
  Napi::Object object = create(env, recording->device, recording);
  object.Set("nodes", static_cast<double>(recording->nodes));
  return object;
}

Napi::Value RecordingObject::instantiate(const Napi::CallbackInfo& info) {
  return GraphObject::wrap(info.Env(), core()->instantiate());
}

Napi::Value RecordingObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

}  // namespace lockstep
