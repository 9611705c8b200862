#include <dlfcn.h>

#include "objects.h"

namespace lockstep {

namespace {

// src/native/index.ts refuses another: raise both whenever what is exported changes.
constexpr int interface_version = 12;

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

struct Function {
  const char* name;
  napi_callback call;
};

// What the addon exports beside its classes.
constexpr Function functions[] = {
    {"openDevice", open_device},
    {"probeLibrary", probe_library},
    {"shutdown", shutdown},
    {"bindMetadata", bind_metadata},
    {"probeDriver", probe_driver},
    {"cpuKernels", cpu_kernels},
    {"probePinning", probe_pinning},
    {"probeCollectives", probe_collectives},
    {"ncclId", nccl_id},
    {"compileHip", compile_hip_source},
    {"lockFile", lock_file},
    {"mapFile", map_file},
    {"unlockFile", unlock_file},
};

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
  for (const Function& function : functions) {
    napi_property_descriptor property = {};
    property.utf8name = function.name;
    property.method = function.call;
    napi_define_properties(env, exports, 1, &property);
  }
  exports.Set("mpi", mpi_functions(env));
  exports.Set("interfaceVersion", interface_version);
  return exports;
}

NODE_API_MODULE(lockstep, init)

}  // namespace

}  // namespace lockstep
