#include "objects.h"

namespace lockstep {

namespace {

const char* kind_name(int32_t kind) {
  switch (kind) {
    case LOCKSTEP_IN:
      return "in";
    case LOCKSTEP_OUT:
      return "out";
    case LOCKSTEP_INOUT:
      return "inout";
    case LOCKSTEP_I32:
      return "i32";
    default:
      return "i64";
  }
}

}  // namespace

void ModuleObject::define(Napi::Env env) {
  Handle::define(env, {method_of<&ModuleObject::entry>("entry"), method_of<&ModuleObject::dispose>("dispose")});
}

Napi::Value ModuleObject::wrap(Napi::Env env, const std::shared_ptr<LoadedModule>& loaded) {
  const Module* const module = loaded->module.get();
  Napi::Array kernels = Napi::Array::New(env, module->count);
  for (uint32_t i = 0; i < module->count; i++) {
    const lockstep_kernel& kernel = module->kernels[i];
    Napi::Array arguments = Napi::Array::New(env, static_cast<size_t>(kernel.argument_count));
    for (int32_t j = 0; j < kernel.argument_count; j++) {
      Napi::Object argument = Napi::Object::New(env);
      argument.Set("name", kernel.arguments[j].name);
      argument.Set("kind", kind_name(kernel.arguments[j].kind));
      arguments.Set(static_cast<uint32_t>(j), argument);
    }
    Napi::Object description = Napi::Object::New(env);
    description.Set("name", kernel.name);
    description.Set("arguments", arguments);
    kernels.Set(i, description);
  }
  Napi::Object object = create(env, loaded->device, loaded);
  object.Set("kernels", kernels);
  return object;
}

Napi::Value ModuleObject::entry(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) invalid_argument("name", info[0], "the name of an entry point");
  if (core()->disposed) throw DeviceError("ERR_DISPOSED", "The module is disposed; load it again.");
  core()->device->require_open();
  core()->module->entry(info[0].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

Napi::Value ModuleObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

}  // namespace lockstep
