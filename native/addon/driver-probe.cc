#include <cstring>

#include "collectives/load-nccl.h"
#include "gpu/cards.h"
#include "gpu/hiprtc.h"
#include "kernels/cpu.h"
#include "objects.h"

namespace lockstep {

namespace {

Vendor vendor_argument(Napi::Value value) {
  const std::string kind = value.IsString() ? value.As<Napi::String>().Utf8Value() : "";
  if (kind != "cuda" && kind != "hip") invalid_argument("kind", value, "'cuda' or 'hip'");
  return kind == "cuda" ? Vendor::cuda : Vendor::hip;
}

Napi::Object attempt_object(Napi::Env env, const LoadAttempt& attempt) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("library", attempt.library);
  object.Set("step", attempt.step);
  object.Set("reason", attempt.reason);
  return object;
}

Napi::Object card_object(Napi::Env env, const Card& card) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("ordinal", card.ordinal);
  object.Set("name", card.name);
  object.Set("bytes", static_cast<double>(card.bytes));
  object.Set("arch", card.arch);
  object.Set("warp", card.warp);
  object.Set("processors", card.processors);
  object.Set("pciBusId", card.pci);
  return object;
}

template <typename Item>
Napi::Array array_of(Napi::Env env, const std::vector<Item>& items, Napi::Object (*make)(Napi::Env, const Item&)) {
  Napi::Array array = Napi::Array::New(env, items.size());
  for (size_t i = 0; i < items.size(); ++i) array.Set(static_cast<uint32_t>(i), make(env, items[i]));
  return array;
}

// Null for an empty text.
Napi::Value text_or_null(Napi::Env env, const std::string& text) {
  return text.empty() ? env.Null() : Napi::String::New(env, text).As<Napi::Value>();
}

}  // namespace

napi_value cpu_kernels(napi_env raw_env, napi_callback_info) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::Env env(raw_env);
    const CpuChoice& cpu = cpu_choice();
    Napi::Array supported = Napi::Array::New(env, cpu.supported.size());
    for (size_t i = 0; i < cpu.supported.size(); i++) supported.Set(static_cast<uint32_t>(i), cpu.supported[i]);
    Napi::Object answer = Napi::Object::New(env);
    answer.Set("name", cpu.name);
    answer.Set("supported", supported);
    answer.Set("threads", cpu.threads);
    answer.Set("mistake", text_or_null(env, cpu.mistake));
    return answer;
  });
}

napi_value probe_driver(napi_env raw_env, napi_callback_info raw) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::CallbackInfo info(raw_env, raw);
    const Napi::Env env = info.Env();
    const Vendor vendor = vendor_argument(info[0]);
    std::vector<LoadAttempt> attempts;
    const DriverLibrary* const driver = load_driver(vendor, &attempts);
    std::vector<Card> cards;
    if (driver != nullptr) {
      try {
        cards = list_cards(*driver);
      } catch (const DeviceError& error) {
        attempts.push_back({driver->path, "cards", error.message});
      }
    }
    Napi::Object found = Napi::Object::New(env);
    found.Set("attempts", array_of(env, attempts, attempt_object));
    found.Set("library", text_or_null(env, driver == nullptr ? "" : driver->path));
    const auto version = [&](int number) { return text_or_null(env, number == 0 ? "" : version_text(vendor, number)); };
    found.Set("driverVersion", version(driver == nullptr ? 0 : driver->driver_version));
    found.Set("runtimeVersion", version(driver == nullptr ? 0 : driver->runtime_version));
    found.Set("cards", array_of(env, cards, card_object));
    return found;
  });
}

napi_value probe_collectives(napi_env raw_env, napi_callback_info raw) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::CallbackInfo info(raw_env, raw);
    const Napi::Env env = info.Env();
    std::vector<LoadAttempt> attempts;
    const NcclLibrary* const library = load_nccl(vendor_argument(info[0]), &attempts);
    Napi::Object found = Napi::Object::New(env);
    found.Set("attempts", array_of(env, attempts, attempt_object));
    found.Set("library", text_or_null(env, library == nullptr ? "" : library->path));
    found.Set("version", text_or_null(env, library == nullptr ? "" : nccl_version_text(library->version)));
    found.Set("safeAborts", library != nullptr && library->version >= NCCL_SAFE);
    return found;
  });
}

napi_value nccl_id(napi_env raw_env, napi_callback_info raw) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::CallbackInfo info(raw_env, raw);
    const NcclLibrary* const library = load_nccl(vendor_argument(info[0]), nullptr);
    if (library == nullptr) invalid_argument("kind", info[0], "a kind of device whose library of collectives is here");
    Napi::Buffer<char> id = Napi::Buffer<char>::New(info.Env(), sizeof(NcclUniqueId));
    NcclUniqueId made;
    if (const int code = library->table.unique_id(&made); code != NCCL_SUCCESS) throw nccl_error(*library, "ncclGetUniqueId", code, nullptr);
    std::memcpy(id.Data(), made.bytes, sizeof(made));
    return id;
  });
}

napi_value compile_hip_source(napi_env raw_env, napi_callback_info raw) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::CallbackInfo info(raw_env, raw);
    const Napi::Env env = info.Env();
    if (!info[0].IsString()) invalid_argument("source", info[0], "a text");
    if (!info[1].IsString()) invalid_argument("target", info[1], "a target such as 'gfx90a'");
    if (!info[2].IsArray()) invalid_argument("libraries", info[2], "an array of names");
    std::vector<std::string> libraries;
    const auto names = info[2].As<Napi::Array>();
    for (uint32_t i = 0; i < names.Length(); i++) libraries.push_back(Napi::Value(names[i]).ToString().Utf8Value());
    const HipCode made = compile_hip(libraries, info[0].As<Napi::String>().Utf8Value(), info[1].As<Napi::String>().Utf8Value());
    Napi::Object answer = Napi::Object::New(env);
    answer.Set("library", text_or_null(env, made.library));
    answer.Set("log", made.log);
    const auto code = made.code;
    answer.Set("code", code.empty() ? env.Null() : Napi::Buffer<char>::Copy(env, code.data(), code.size()).As<Napi::Value>());
    return answer;
  });
}

napi_value probe_pinning(napi_env raw_env, napi_callback_info raw) {
  return guarded(raw_env, [&]() -> napi_value {
    const Napi::CallbackInfo info(raw_env, raw);
    const Vendor vendor = vendor_argument(info[0]);
    const int64_t ordinal = integer_argument(info[1], "ordinal");
    const Bytes view = view_argument(info[2], "view");
    const DriverLibrary* const driver = load_driver(vendor, nullptr);
    if (driver == nullptr || ordinal < 0 || ordinal >= driver->device_count) {
      invalid_argument("ordinal", info[1], "the number of a card that probeDriver lists");
    }
    return text_or_null(info.Env(), pinning_refusal(*driver, static_cast<int>(ordinal), view.address, view.bytes));
  });
}

}  // namespace lockstep
