#include <cmath>

#include "objects.h"

namespace lockstep {

namespace {

BufferRange range_argument(const Napi::CallbackInfo& info, size_t at, const char* name) {
  const auto& buffer = BufferObject::from(info[at], name, "a buffer of this device").core();
  const int64_t offset = integer_argument(info[at + 1], "offset");
  const int64_t bytes = integer_argument(info[at + 2], "bytes");
  if (bytes < 0) invalid_argument("bytes", info[at + 2], "0 or more");
  return {buffer, offset, static_cast<size_t>(bytes)};
}

}  // namespace

void NcclObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&NcclObject::begin>("begin"),
                          method_of<&NcclObject::settled>("settled"),
                          method_of<&NcclObject::abort>("abort"),
                          method_of<&NcclObject::leave>("leave"),
                          method_of<&NcclObject::released>("released"),
                          method_of<&NcclObject::give_up>("giveUp"),
                      });
}

// begin(stream, kind, send, offset, bytes, recv, offset, bytes, counts)
Napi::Value NcclObject::begin(const Napi::CallbackInfo& info) {
  const auto& stream = StreamObject::from(info[0], "stream", "a stream of this device").core();
  require_device(device(), stream->device, "stream");
  const int64_t kind = integer_argument(info[1], "kind");
  if (kind < 0 || kind >= static_cast<int64_t>(COLLECTIVE_KINDS)) invalid_argument("kind", info[1], "the number of a kind");
  const BufferRange send = range_argument(info, 2, "send");
  const BufferRange recv = range_argument(info, 5, "recv");
  if (!info[8].IsTypedArray() || info[8].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    invalid_argument("counts", info[8], "a Float64Array");
  }
  const Bytes numbers = view_argument(info[8], "counts");
  const auto* const values = reinterpret_cast<const double*>(numbers.address);
  std::vector<size_t> counts;
  counts.reserve(numbers.bytes / sizeof(double));
  for (size_t i = 0; i < numbers.bytes / sizeof(double); i++) {
    const double count = values[i];
    if (!(count >= 0 && count <= 9007199254740991.0) || count != std::floor(count)) {
      invalid_argument("counts", Napi::Number::New(info.Env(), count), "numbers of elements, 0 or more");
    }
    counts.push_back(static_cast<size_t>(count));
  }
  core()->begin(stream, static_cast<CollectiveKind>(kind), send, recv, std::move(counts));
  return info.Env().Undefined();
}

Napi::Value NcclObject::settled(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->settled(wait_argument(info[0])));
}

Napi::Value NcclObject::abort(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) invalid_argument("code", info[0], "the code of an error");
  if (!info[1].IsString()) invalid_argument("reason", info[1], "a text");
  core()->fail(DeviceError(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value()));
  return info.Env().Undefined();
}

Napi::Value NcclObject::leave(const Napi::CallbackInfo& info) {
  core()->leave();
  return info.Env().Undefined();
}

Napi::Value NcclObject::released(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->released(wait_argument(info[0])));
}

Napi::Value NcclObject::give_up(const Napi::CallbackInfo& info) {
  core()->give_up();
  return info.Env().Undefined();
}

}  // namespace lockstep
