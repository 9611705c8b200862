#include <algorithm>

#include "objects.h"

namespace lockstep {

namespace {

std::vector<int32_t> words_argument(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_int32_array) {
    invalid_argument(name, value, "an Int32Array");
  }
  const Bytes words = view_argument(value, name);
  const auto* const first = reinterpret_cast<const int32_t*>(words.address);
  return std::vector<int32_t>(first, first + words.bytes / 4);
}

// Numbers of a Float64Array, `each` to an entry, all 0 or more.
std::vector<double> numbers_argument(const Napi::Value& value, const char* name, size_t each) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
    invalid_argument(name, value, "a Float64Array");
  }
  const Bytes bytes = view_argument(value, name);
  const auto* const first = reinterpret_cast<const double*>(bytes.address);
  std::vector<double> numbers(first, first + bytes.bytes / 8 / each * each);
  for (const double number : numbers) {
    if (!(number >= 0 && number < 9e15)) invalid_argument(name, value, "ranks and bytes, 0 or more");
  }
  return numbers;
}

}  // namespace

void CommunicatorObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&CommunicatorObject::post>("post"),
                          method_of<&CommunicatorObject::arrived>("arrived"),
                          method_of<&CommunicatorObject::collect>("collect"),
                          method_of<&CommunicatorObject::missing>("missing"),
                          method_of<&CommunicatorObject::abort>("abort"),
                          method_of<&CommunicatorObject::leave>("leave"),
                          method_of<&CommunicatorObject::released>("released"),
                      });
}

// post(stream, send, offset, bytes, signature, shares?): shares are two numbers for each rank, byte of what is sent and bytes.
Napi::Value CommunicatorObject::post(const Napi::CallbackInfo& info) {
  Stream& stream = *StreamObject::from(info[0], "stream", "a stream of this device").core();
  const auto& send = BufferObject::from(info[1], "send", "a buffer of this device").core();
  require_device(device(), stream.device, "stream");
  const int64_t offset = integer_argument(info[2], "send.offset");
  const int64_t bytes = integer_argument(info[3], "bytes");
  if (bytes < 0) invalid_argument("bytes", info[3], "0 or more");
  std::vector<PeerShare> shares;
  if (!info[5].IsUndefined()) {
    const std::vector<double> numbers = numbers_argument(info[5], "shares", 2);
    for (size_t i = 0; i < numbers.size(); i += 2) {
      shares.push_back({static_cast<size_t>(numbers[i]), static_cast<size_t>(numbers[i + 1])});
    }
  }
  core()->post(stream, {send, offset, static_cast<size_t>(bytes), std::move(shares)}, words_argument(info[4], "signature"));
  return info.Env().Undefined();
}

Napi::Value CommunicatorObject::arrived(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->arrived(wait_argument(info[0])));
}

// Copies are four numbers each: rank, byte of what it posted, byte behind `offset`, bytes.
Napi::Value CommunicatorObject::collect(const Napi::CallbackInfo& info) {
  Stream& stream = *StreamObject::from(info[0], "stream", "a stream of this device").core();
  const auto& into = BufferObject::from(info[1], "into", "a buffer of this device").core();
  require_device(device(), stream.device, "stream");
  const int64_t offset = integer_argument(info[2], "into.offset");
  const std::vector<double> numbers = numbers_argument(info[3], "copies", 4);
  std::vector<PeerCopy> copies;
  for (size_t i = 0; i < numbers.size(); i += 4) {
    copies.push_back({static_cast<int32_t>(std::min(numbers[i], 2e9)), static_cast<size_t>(numbers[i + 1]),
                      static_cast<size_t>(numbers[i + 2]), static_cast<size_t>(numbers[i + 3])});
  }
  core()->collect(stream, into, offset, copies);
  return info.Env().Undefined();
}

Napi::Value CommunicatorObject::missing(const Napi::CallbackInfo& info) {
  const auto ranks = core()->missing();
  Napi::Array array = Napi::Array::New(info.Env(), ranks.size());
  for (uint32_t i = 0; i < ranks.size(); i++) array.Set(i, ranks[i]);
  return array;
}

Napi::Value CommunicatorObject::abort(const Napi::CallbackInfo& info) {
  if (!info[0].IsString()) invalid_argument("code", info[0], "the code of an error");
  if (!info[1].IsString()) invalid_argument("reason", info[1], "a text");
  core()->abort(info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value(),
                words_argument(info[2], "culprits"));
  return info.Env().Undefined();
}

Napi::Value CommunicatorObject::leave(const Napi::CallbackInfo& info) {
  core()->leave();
  return info.Env().Undefined();
}

Napi::Value CommunicatorObject::released(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->released(wait_argument(info[0])));
}

}  // namespace lockstep
