#include <dlfcn.h>

#include "objects.h"

namespace lockstep {

namespace {

// src/native/index.ts refuses another: raise both whenever what is exported changes.
constexpr int interface_version = 7;

napi_value open_device(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    if (EnvState::of(env).closed) {
      throw DeviceError("ERR_DISPOSED", "The addon has shut down with its thread; no device can be opened.");
    }
    const auto name = info[0].IsString() ? parse_device_name(info[0].As<Napi::String>().Utf8Value()) : std::nullopt;
    if (!name.has_value()) invalid_argument("device", info[0], "'host', 'cuda', 'hip', or a card of theirs: 'cuda:1'");
    int64_t limit = -1;
    if (!info[1].IsNull() && !info[1].IsUndefined()) {
      limit = integer_argument(info[1], "memoryLimit");
      if (limit < 0) invalid_argument("memoryLimit", info[1], "bytes, 0 or more");
    }
    std::optional<LocalRank> local;
    if (!info[2].IsNull() && !info[2].IsUndefined()) {
      const int64_t rank = integer_argument(info[2], "localRank");
      if (rank < 0 || rank > 1 << 20) invalid_argument("localRank", info[2], "the number of this rank on its machine, from 0 on");
      local = LocalRank{static_cast<int>(rank), "given"};
    }
    HipKernels kernels;
    if (info[3].IsFunction()) {
      kernels = [&](const std::string& arch) {
        const Napi::Value made = info[3].As<Napi::Function>().Call({Napi::String::New(info.Env(), arch)});
        const Bytes image = view_argument(made, "kernels");
        return std::string(reinterpret_cast<const char*>(image.address), image.bytes);
      };
    }
    return DeviceObject::open(env, open_backend(*name, local, kernels), limit);
  });
}

napi_value probe_library(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    if (!info[0].IsString()) invalid_argument("name", info[0], "the name of a library");
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    // Never closed: a driver's threads and exit handlers do not survive it.
    if (!name.empty() && dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL) != nullptr) return Napi::Env(env).Null();
    const char* const reason = name.empty() ? "the name is empty" : dlerror();
    return Napi::String::New(env, reason != nullptr ? reason : "unknown reason");
  });
}

napi_value shutdown(napi_env env, napi_callback_info) {
  return guarded(env, [&]() -> napi_value {
    EnvState::of(env).shutdown();
    return nullptr;
  });
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new EnvState());
  BufferObject::define(env);
  CommunicatorObject::define(env);
  DeviceObject::define(env);
  EventObject::define(env);
  GraphObject::define(env);
  ModuleObject::define(env);
  NcclObject::define(env);
  PoolObject::define(env);
  ReadbackObject::define(env);
  RecordingObject::define(env);
  StreamObject::define(env);
  napi_property_descriptor functions[9] = {};
  functions[0].utf8name = "openDevice";
  functions[0].method = open_device;
  functions[1].utf8name = "probeLibrary";
  functions[1].method = probe_library;
  functions[2].utf8name = "shutdown";
  functions[2].method = shutdown;
  functions[3].utf8name = "bindMetadata";
  functions[3].method = bind_metadata;
  functions[4].utf8name = "probeDriver";
  functions[4].method = probe_driver;
  functions[5].utf8name = "probePinning";
  functions[5].method = probe_pinning;
  functions[6].utf8name = "probeCollectives";
  functions[6].method = probe_collectives;
  functions[7].utf8name = "ncclId";
  functions[7].method = nccl_id;
  functions[8].utf8name = "compileHip";
  functions[8].method = compile_hip_source;
  napi_define_properties(env, exports, 9, functions);
  exports.Set("mpi", mpi_functions(env));
  exports.Set("interfaceVersion", interface_version);
  return exports;
}

NODE_API_MODULE(lockstep, init)

}  // namespace

}  // namespace lockstep
