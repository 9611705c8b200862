#include "objects.h"

namespace lockstep {

namespace {

const std::shared_ptr<Buffer>& buffer_argument(Napi::Value value) {
  return BufferObject::from(value, "buffer", "a buffer of this device").core();
}

LaunchArgument launch_argument(Napi::Value value, Napi::Value offset, uint32_t index) {
  const std::string name = "args[" + std::to_string(index) + "]";
  LaunchArgument argument;
  if (value.IsNumber()) {
    argument.scalar = integer_argument(value, name.c_str());
  } else if (value.IsBigInt()) {
    bool lossless = false;
    argument.scalar = value.As<Napi::BigInt>().Int64Value(&lossless);
    if (!lossless) invalid_argument(name.c_str(), value, "a bigint of 64 bits");
  } else {
    argument.buffer = BufferObject::from(value, name.c_str(), "a buffer, a number or a bigint").core();
    argument.offset = offset.IsUndefined() ? 0 : integer_argument(offset, (name + ".offset").c_str());
  }
  return argument;
}

// A buffer's address, or the low `bytes` bytes of a bigint.
RawArgument raw_argument(Napi::Value value, Napi::Value beside, uint32_t index) {
  const std::string name = "args[" + std::to_string(index) + "]";
  RawArgument argument;
  if (value.IsBigInt()) {
    bool lossless = false;
    argument.word = value.As<Napi::BigInt>().Uint64Value(&lossless);
    const int64_t bytes = integer_argument(beside, (name + ".bytes").c_str());
    if (!lossless || (bytes != 4 && bytes != 8)) invalid_argument(name.c_str(), value, "an unsigned word of 4 or 8 bytes");
    argument.bytes = static_cast<uint8_t>(bytes);
  } else {
    argument.buffer = BufferObject::from(value, name.c_str(), "a buffer or a bigint").core();
    argument.offset = integer_argument(beside, (name + ".offset").c_str());
  }
  return argument;
}

unsigned size_argument(Napi::Value value, const char* name) {
  const int64_t size = integer_argument(value, name);
  if (size < 0 || size > UINT32_MAX) invalid_argument(name, value, "0 or more, in 32 bits");
  return static_cast<unsigned>(size);
}

// Grid, block and cluster as x, y, z, bytes of shared memory, 1 for a cooperative launch, and how many last parameters are optional.
RawLaunch raw_sizes(Napi::Value value) {
  if (!value.IsArray() || value.As<Napi::Array>().Length() != 12) invalid_argument("sizes", value, "an array of twelve integers");
  const auto sizes = value.As<Napi::Array>();
  RawLaunch launch;
  uint32_t at = 0;
  for (auto* const dimensions : {&launch.grid, &launch.block, &launch.cluster}) {
    for (unsigned& size : *dimensions) size = size_argument(Napi::Value(sizes[at++]), "sizes");
  }
  launch.shared_bytes = size_argument(Napi::Value(sizes[9u]), "sharedBytes");
  launch.cooperative = size_argument(Napi::Value(sizes[10u]), "cooperative") != 0;
  launch.optional = size_argument(Napi::Value(sizes[11u]), "optional");
  return launch;
}

}  // namespace

void StreamObject::define(Napi::Env env) {
  napi_property_descriptor submit_method = {};
  submit_method.utf8name = "submit";
  submit_method.method = submit;
  Handle::define(env, {
                          method_of<&StreamObject::launch>("launch"),
                          method_of<&StreamObject::launch_raw>("launchRaw"),
                          method_of<&StreamObject::upload>("upload"),
                          method_of<&StreamObject::copy>("copy"),
                          method_of<&StreamObject::readback>("readback"),
                          method_of<&StreamObject::record>("record"),
                          method_of<&StreamObject::wait>("wait"),
                          method_of<&StreamObject::launch_graph>("launchGraph"),
                          method_of<&StreamObject::begin_capture>("beginCapture"),
                          method_of<&StreamObject::end_capture>("endCapture"),
                          method_of<&StreamObject::abandon_capture>("abandonCapture"),
                          method_of<&StreamObject::capturing>("capturing"),
                          method_of<&StreamObject::set_command_block>("setCommandBlock"),
                          method_of<&StreamObject::wait_slice>("waitSlice"),
                          method_of<&StreamObject::mark>("mark"),
                          method_of<&StreamObject::dispose>("dispose"),
                          submit_method,
                      });
}

Napi::Value StreamObject::launch(const Napi::CallbackInfo& info) {
  ModuleObject& module = ModuleObject::from(info[0], "module", "a module of this device");
  const int64_t kernel = integer_argument(info[1], "kernel");
  if (!info[2].IsArray()) invalid_argument("args", info[2], "an array");
  if (!info[3].IsArray()) invalid_argument("offsets", info[3], "an array");
  const auto values = info[2].As<Napi::Array>();
  const auto offsets = info[3].As<Napi::Array>();
  if (values.Length() > LOCKSTEP_MAX_ARGUMENTS) {
    throw DeviceError("ERR_LAUNCH_INVALID", "No kernel takes " + std::to_string(values.Length()) + " arguments.",
                      {{"actual", values.Length()}, {"limit", LOCKSTEP_MAX_ARGUMENTS}});
  }
  // Reading elements can run JS code (getters), which can dispose what was read: everything is checked after the last one.
  std::vector<LaunchArgument> arguments;
  for (uint32_t i = 0; i < values.Length(); i++) {
    arguments.push_back(launch_argument(Napi::Value(values[i]), Napi::Value(offsets[i]), i));
  }
  require_device(device(), module.device(), "module");
  const auto& loaded = module.core();
  if (loaded->disposed) throw DeviceError("ERR_DISPOSED", "The module is disposed; load it again.");
  if (kernel < 0 || static_cast<size_t>(kernel) >= loaded->module->count) {
    throw DeviceError("ERR_LAUNCH_INVALID", "The module has no kernel " + std::to_string(kernel) + ".",
                      {{"kernel", kernel}, {"kernels", loaded->module->count}});
  }
  core()->launch(loaded, static_cast<size_t>(kernel), arguments);
  return info.Env().Undefined();
}

Napi::Value StreamObject::launch_raw(const Napi::CallbackInfo& info) {
  ModuleObject& module = ModuleObject::from(info[0], "module", "a module of this device");
  if (!info[1].IsString()) invalid_argument("kernel", info[1], "the name of an entry point");
  if (!info[2].IsArray()) invalid_argument("args", info[2], "an array");
  if (!info[3].IsArray()) invalid_argument("beside", info[3], "an array");
  const auto values = info[2].As<Napi::Array>();
  const auto beside = info[3].As<Napi::Array>();
  constexpr uint32_t most = 512;
  if (values.Length() > most) {
    throw DeviceError("ERR_LAUNCH_INVALID", "No kernel takes " + std::to_string(values.Length()) + " arguments.",
                      {{"actual", values.Length()}, {"limit", most}});
  }
  RawLaunch sizes = raw_sizes(info[4]);
  // Reading elements can run JS code: everything is checked after the last one.
  std::vector<RawArgument> arguments;
  for (uint32_t i = 0; i < values.Length(); i++) {
    arguments.push_back(raw_argument(Napi::Value(values[i]), Napi::Value(beside[i]), i));
  }
  if (sizes.optional > arguments.size()) invalid_argument("optional", info[4], "no more than there are arguments");
  require_device(device(), module.device(), "module");
  const auto& loaded = module.core();
  if (loaded->disposed) throw DeviceError("ERR_DISPOSED", "The module is disposed; load it again.");
  sizes.name = info[1].As<Napi::String>().Utf8Value();
  sizes.entry = loaded->module->entry(sizes.name);
  core()->launch_raw(loaded, std::move(sizes), arguments);
  return info.Env().Undefined();
}

Napi::Value StreamObject::upload(const Napi::CallbackInfo& info) {
  const auto& buffer = buffer_argument(info[0]);
  const int64_t offset = integer_argument(info[1], "byteOffset");
  const Bytes source = view_argument(info[2], "source");
  core()->upload(buffer, offset, source.address, source.bytes);
  return info.Env().Undefined();
}

Napi::Value StreamObject::copy(const Napi::CallbackInfo& info) {
  const auto& from = buffer_argument(info[0]);
  const int64_t from_offset = integer_argument(info[1], "from.offset");
  const auto& to = buffer_argument(info[2]);
  const int64_t to_offset = integer_argument(info[3], "to.offset");
  const int64_t bytes = integer_argument(info[4], "bytes");
  if (bytes < 0) invalid_argument("bytes", info[4], "0 or more");
  if (!info[5].IsString()) invalid_argument("name", info[5], "a text");
  core()->copy(from, from_offset, to, to_offset, static_cast<size_t>(bytes), info[5].As<Napi::String>().Utf8Value());
  return info.Env().Undefined();
}

Napi::Value StreamObject::readback(const Napi::CallbackInfo& info) {
  const auto& buffer = buffer_argument(info[0]);
  const int64_t offset = integer_argument(info[1], "byteOffset");
  const int64_t bytes = integer_argument(info[2], "bytes");
  if (bytes < 0) invalid_argument("bytes", info[2], "0 or more");
  auto readback = std::make_shared<Readback>();
  readback->staging = core()->download(buffer, offset, static_cast<size_t>(bytes));
  readback->filled = core()->mark();
  return ReadbackObject::create(info.Env(), device(), std::move(readback));
}

Napi::Value StreamObject::record(const Napi::CallbackInfo& info) {
  core()->record(*EventObject::from(info[0], "event", "an event of this device").core());
  return info.Env().Undefined();
}

Napi::Value StreamObject::wait(const Napi::CallbackInfo& info) {
  core()->wait(*EventObject::from(info[0], "event", "an event of this device").core());
  return info.Env().Undefined();
}

Napi::Value StreamObject::launch_graph(const Napi::CallbackInfo& info) {
  core()->launch_graph(*GraphObject::from(info[0], "graph", "a graph of this device").core());
  return info.Env().Undefined();
}

Napi::Value StreamObject::begin_capture(const Napi::CallbackInfo& info) {
  std::shared_ptr<Pool> pool;
  if (!info[0].IsUndefined()) pool = PoolObject::from(info[0], "pool", "a pool of this device").core();
  core()->begin_capture(std::move(pool));
  return info.Env().Undefined();
}

Napi::Value StreamObject::end_capture(const Napi::CallbackInfo& info) {
  return RecordingObject::wrap(info.Env(), core()->end_capture());
}

Napi::Value StreamObject::abandon_capture(const Napi::CallbackInfo& info) {
  core()->abandon_capture();
  return info.Env().Undefined();
}

Napi::Value StreamObject::capturing(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->capturing());
}

Napi::Value StreamObject::set_command_block(const Napi::CallbackInfo& info) {
  const int64_t offset = integer_argument(info[0], "byteOffset");
  core()->set_command_block(offset, integer_argument(info[1], "maxCommands"));
  return info.Env().Undefined();
}

Napi::Value StreamObject::wait_slice(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), core()->wait_slice(wait_argument(info[0])));
}

Napi::Value StreamObject::mark(const Napi::CallbackInfo& info) { return EventObject::wrap(info.Env(), core()->mark()); }

Napi::Value StreamObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

napi_value StreamObject::submit(napi_env env, napi_callback_info info) {
  return guarded(env, [&]() -> napi_value {
    size_t count = 1;
    napi_value offset = nullptr;
    napi_value self = nullptr;
    void* object = nullptr;
    if (napi_get_cb_info(env, info, &count, &offset, &self, nullptr) != napi_ok ||
        napi_unwrap(env, self, &object) != napi_ok || object == nullptr) {
      throw Napi::TypeError::New(env, "Illegal invocation");
    }
    Stream& stream = *static_cast<StreamObject*>(object)->core();
    if (count == 0) {
      stream.submit();
    } else {
      stream.submit_at(integer_argument(Napi::Value(env, offset), "byteOffset"));
    }
    return nullptr;
  });
}

}  // namespace lockstep
