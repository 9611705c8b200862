#include "objects.h"

namespace lockstep {

void BufferObject::define(Napi::Env env) {
  Handle::define(env, {method_of<&BufferObject::range>("range"), method_of<&BufferObject::dispose>("dispose")});
}

BufferObject::BufferObject(const Napi::CallbackInfo& info)
    : Handle(info),
      reported_(device()->facts().kind == "host" && core()->whole == nullptr ? static_cast<int64_t>(core()->bytes) : 0) {
  report_bytes(info.Env(), reported_);
}

void BufferObject::Finalize(Napi::Env env) {
  report_bytes(env, -std::exchange(reported_, 0));
}

Napi::Value BufferObject::wrap(Napi::Env env, const std::shared_ptr<Buffer>& buffer) {
  Napi::Object object = create(env, buffer->device, buffer);
  object.Set("id", buffer->id);
  object.Set("bytes", static_cast<double>(buffer->bytes));
  return object;
}

Napi::Value BufferObject::range(const Napi::CallbackInfo& info) {
  const int64_t offset = integer_argument(info[0], "byteOffset");
  return wrap(info.Env(), Buffer::range_of(core(), offset, integer_argument(info[1], "bytes")));
}

Napi::Value BufferObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  Finalize(info.Env());
  return info.Env().Undefined();
}

}  // namespace lockstep
