#include "objects.h"

namespace lockstep {

void PoolObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&PoolObject::take>("take"),
                          method_of<&PoolObject::reset>("reset"),
                          method_of<&PoolObject::sizes>("sizes"),
                          method_of<&PoolObject::dispose>("dispose"),
                      });
}

// The byte at which the piece begins. `buffer` of this object is the pool's buffer, which is replaced when it has to grow.
Napi::Value PoolObject::take(const Napi::CallbackInfo& info) {
  const int64_t bytes = integer_argument(info[0], "bytes");
  if (bytes < 1) invalid_argument("bytes", info[0], "1 or more");
  const auto before = core()->buffer;
  const size_t offset = core()->take(static_cast<size_t>(bytes));
  if (core()->buffer != before) info.This().As<Napi::Object>().Set("buffer", BufferObject::wrap(info.Env(), core()->buffer));
  return Napi::Number::New(info.Env(), static_cast<double>(offset));
}

Napi::Value PoolObject::reset(const Napi::CallbackInfo& info) {
  core()->reset();
  return info.Env().Undefined();
}

Napi::Value PoolObject::sizes(const Napi::CallbackInfo& info) {
  Napi::Object sizes = Napi::Object::New(info.Env());
  sizes.Set("reservedBytes", static_cast<double>(core()->reserved));
  sizes.Set("allocatedBytes", static_cast<double>(core()->used));
  return sizes;
}

Napi::Value PoolObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

}  // namespace lockstep
