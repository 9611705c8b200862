// The metadata sources of wasm/, compiled for this machine: the same functions over the same memory.
#include <atomic>
#include <utility>

#include "../../wasm/exports.h"
#include "../../wasm/layout.h"
#include "arguments.h"
#include "objects.h"

namespace lockstep {

namespace metadata {

thread_local char* bound_arena = nullptr;

}  // namespace metadata

namespace {

// A planner's memory. The object of its functions keeps it alive; the functions do not, since Node runs finalizers late.
struct Binding {
  napi_env env;
  napi_ref view;
  std::byte* address;
  size_t bytes;
  size_t functions;

  ~Binding() { napi_delete_reference(env, view); }

  // The bound memory. It is gone if that object was collected, or if its buffer was transferred.
  char* arena() const {
    napi_value value = nullptr;
    void* data = nullptr;
    size_t length = 0;
    napi_get_reference_value(env, view, &value);
    if (value != nullptr) napi_get_typedarray_info(env, value, nullptr, &length, &data, nullptr, nullptr);
    if (value == nullptr || data != address || length != bytes) {
      throw DeviceError("ERR_DISPOSED", "The memory that these functions were bound to is gone: it was transferred, or the object that holds them was collected.");
    }
    return static_cast<char*>(data);
  }
};

template <typename Result, typename... Words, size_t... index>
int32_t call(Result (*function)(Words...), const int32_t* words, std::index_sequence<index...>) {
  if constexpr (std::is_void_v<Result>) {
    function(words[index]...);
    return 0;
  } else {
    return function(words[index]...);
  }
}

template <typename Result, typename... Words>
constexpr size_t count_of(Result (*)(Words...)) {
  return sizeof...(Words);
}

template <auto function>
napi_value method(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    constexpr size_t count = count_of(function);
    size_t given = count;
    napi_value values[count + 1] = {};
    void* data = nullptr;
    napi_get_cb_info(env, info, &given, values, nullptr, &data);
    int32_t words[count + 1] = {};
    for (size_t i = 0; i < count; i++) {
      if (napi_get_value_int32(env, values[i], &words[i]) != napi_ok) {
        invalid_argument("argument", Napi::Value(env, values[i]), "a 32-bit integer");
      }
    }
    metadata::bound_arena = static_cast<const Binding*>(data)->arena();
    napi_value result = nullptr;
    napi_create_int32(env, call(function, words, std::make_index_sequence<count>()), &result);
    return result;
  });
}

napi_value nothing(napi_env, napi_callback_info) { return nullptr; }

struct Function {
  const char* name;
  napi_callback callback;
};

constexpr Function FUNCTIONS[] = {
    {"_initialize", nothing},
#define LOCKSTEP_METHOD(name) {#name, method<metadata::name>},
    LOCKSTEP_METADATA_EXPORTS(LOCKSTEP_METHOD)
#undef LOCKSTEP_METHOD
};

// Whether the view starts with a layout whose every offset lies inside it.
bool laid_out(const Bytes& view) {
  const size_t end = static_cast<size_t>(CONFIG_BASE) + static_cast<size_t>(CONFIG_WORDS) * 4;
  if (view.address == nullptr || view.bytes < end || reinterpret_cast<uintptr_t>(view.address) % 8 != 0) return false;
  const auto* words = reinterpret_cast<const uint32_t*>(view.address + CONFIG_BASE);
  // The offset of a tensor is 0 in a view that the planner does not have.
  const auto inside = [&](int32_t begin, int32_t tensors, int32_t last) {
    for (int32_t i = begin; i < last; i++) {
      const bool absent = i >= tensors && words[i] == 0;
      if (!absent && (words[i] < end || words[i] >= view.bytes)) return false;
    }
    return true;
  };
  if (!inside(CONFIG_REGIONS, CONFIG_TENSORS, CONFIG_KV_GROUPS)) return false;
  const uint32_t groups = words[LIMIT_KV_GROUPS];
  if (groups < 1 || groups > static_cast<uint32_t>(MAX_KV_GROUPS)) return false;
  for (uint32_t g = 0; g < groups; g++) {
    const int32_t group = CONFIG_KV_GROUPS + static_cast<int32_t>(g) * KV_GROUP_WORDS;
    if (!inside(group + KV_GROUP_OFFSETS, group + KV_GROUP_TENSOR_OFFSETS, group + KV_GROUP_WORDS)) return false;
  }
  return true;
}

}  // namespace

napi_value bind_metadata(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const Bytes view = view_argument(info[0], "memory");
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().ElementSize() != 1 || !laid_out(view)) {
      invalid_argument("memory", info[0], "a Uint8Array over a planner's memory, laid out for it");
    }
    napi_ref reference = nullptr;
    if (napi_create_reference(env, info[0], 0, &reference) != napi_ok) invalid_argument("memory", info[0], "a typed array");
    auto* binding = new Binding{env, reference, view.address, view.bytes, 0};
    Napi::Object object = Napi::Object::New(env);
    object.DefineProperty(Napi::PropertyDescriptor::Value("memory", info[0], napi_default));
    for (const Function& function : FUNCTIONS) {
      napi_value value = nullptr;
      napi_create_function(env, function.name, NAPI_AUTO_LENGTH, function.callback, binding, &value);
      binding->functions++;
      napi_add_finalizer(
          env, value, binding,
          [](napi_env, void* data, void*) {
            auto* bound = static_cast<Binding*>(data);
            if (--bound->functions == 0) delete bound;
          },
          nullptr, nullptr);
      object.Set(function.name, Napi::Value(env, value));
    }
    return object;
  });
}

}  // namespace lockstep
