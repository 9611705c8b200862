#include <napi.h>

#include <algorithm>
#include <cstring>

#include "collectives/local-communicator.h"
#include "collectives/mpi-communicator.h"
#include "objects.h"

namespace lockstep {

void DeviceObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&DeviceObject::allocate>("allocate"),
                          method_of<&DeviceObject::create_stream>("createStream"),
                          method_of<&DeviceObject::create_event>("createEvent"),
                          method_of<&DeviceObject::create_pool>("createPool"),
                          method_of<&DeviceObject::join_local>("joinLocal"),
                          method_of<&DeviceObject::join_mpi>("joinMpi"),
                          method_of<&DeviceObject::join_nccl>("joinNccl"),
                          method_of<&DeviceObject::load_module>("loadModule"),
                          method_of<&DeviceObject::load_image>("loadImage"),
                          method_of<&DeviceObject::bind_arena>("bindArena"),
                          method_of<&DeviceObject::memory>("memory"),
                          method_of<&DeviceObject::facts>("facts"),
                          method_of<&DeviceObject::failure>("failure"),
                          method_of<&DeviceObject::given_up>("givenUp"),
                          method_of<&DeviceObject::dispose>("dispose"),
                      });
}

Napi::Value DeviceObject::open(Napi::Env env, OpenedBackend opened, int64_t memory_limit) {
  auto device = std::make_shared<Device>(std::move(opened.backend), memory_limit);
  auto& devices = EnvState::of(env).devices;
  devices.erase(std::remove_if(devices.begin(), devices.end(), [](const auto& weak) { return weak.expired(); }),
                devices.end());
  devices.push_back(device);
  Napi::Object object = create(env, device, device);
  object.Set("kind", device->facts().kind);
  object.Set("choice", opened.choice);
  return object;
}

Napi::Value DeviceObject::allocate(const Napi::CallbackInfo& info) {
  const int64_t bytes = integer_argument(info[0], "bytes");
  if (bytes < 1) invalid_argument("bytes", info[0], "1 or more");
  return BufferObject::wrap(info.Env(), core()->allocate(static_cast<size_t>(bytes)));
}

Napi::Value DeviceObject::create_stream(const Napi::CallbackInfo& info) {
  const int64_t priority = info[0].IsUndefined() ? 0 : integer_argument(info[0], "priority");
  if (priority < 0 || priority > 100) invalid_argument("priority", info[0], "0, the least, to 100");
  auto stream = core()->create_stream(static_cast<int>(priority));
  Napi::Object object = StreamObject::create(info.Env(), device(), stream);
  object.Set("id", stream->id);
  return object;
}

Napi::Value DeviceObject::create_event(const Napi::CallbackInfo& info) {
  return EventObject::wrap(info.Env(), core()->create_event());
}

Napi::Value DeviceObject::create_pool(const Napi::CallbackInfo& info) {
  core()->require_open();
  auto pool = std::make_shared<Pool>(*core());
  Napi::Object object = PoolObject::create(info.Env(), device(), pool);
  object.Set("id", pool->id);
  return object;
}

Napi::Value DeviceObject::join_local(const Napi::CallbackInfo& info) {
  core()->require_open();
  if (!info[0].IsString()) invalid_argument("group", info[0], "the id of a group");
  const int64_t rank = integer_argument(info[1], "rank");
  const int64_t size = integer_argument(info[2], "size");
  if (size < 1 || size > 1024) invalid_argument("size", info[2], "1 to 1024");
  if (rank < 0 || rank >= size) invalid_argument("rank", info[1], "a rank below size");
  auto communicator = std::make_shared<LocalCommunicator>(*core(), info[0].As<Napi::String>().Utf8Value(),
                                                          static_cast<int32_t>(rank), static_cast<int32_t>(size));
  return CommunicatorObject::create(info.Env(), device(), std::move(communicator));
}

// joinMpi(spins): looks for a message before the thread yields.
Napi::Value DeviceObject::join_mpi(const Napi::CallbackInfo& info) {
  core()->require_open();
  const int64_t spins = integer_argument(info[0], "spins");
  if (spins < 0 || spins > 1 << 20) invalid_argument("spins", info[0], "looks before the thread yields, 0 or more");
  auto communicator = std::make_shared<MpiCommunicator>(*core(), static_cast<int>(spins));
  return CommunicatorObject::create(info.Env(), device(), std::move(communicator));
}

// joinNccl(ids, rank, size, ms): ids of 128 bytes, one for each stream.
Napi::Value DeviceObject::join_nccl(const Napi::CallbackInfo& info) {
  core()->require_open();
  const Bytes bytes = view_argument(info[0], "ids");
  if (bytes.bytes == 0 || bytes.bytes % sizeof(NcclUniqueId) != 0) invalid_argument("ids", info[0], "ids of 128 bytes each");
  const int64_t rank = integer_argument(info[1], "rank");
  const int64_t size = integer_argument(info[2], "size");
  if (size < 1 || size > 1 << 20) invalid_argument("size", info[2], "1 or more");
  if (rank < 0 || rank >= size) invalid_argument("rank", info[1], "a rank below size");
  const int64_t ms = integer_argument(info[3], "ms");
  if (ms < 1) invalid_argument("ms", info[3], "milliseconds, 1 or more");
  const std::string kind = core()->facts().kind;
  if (kind == "host") invalid_argument("device", info.This(), "a GPU");
  std::vector<LoadAttempt> attempts;
  const NcclLibrary* const library = load_nccl(kind == "cuda" ? Vendor::cuda : Vendor::hip, &attempts);
  if (library == nullptr) {
    const LoadAttempt& last = attempts.back();
    throw DeviceError("ERR_DEVICE_UNAVAILABLE", last.library + ": " + last.reason + ".", {{"device", kind}, {"library", last.library}});
  }
  std::vector<NcclUniqueId> ids(bytes.bytes / sizeof(NcclUniqueId));
  std::memcpy(ids.data(), bytes.address, bytes.bytes);
  auto group = std::make_shared<NcclGroup>(*core(), *library, ids, static_cast<int>(rank), static_cast<int>(size), static_cast<double>(ms));
  return NcclObject::create(info.Env(), device(), std::move(group));
}

Napi::Value DeviceObject::load_module(const Napi::CallbackInfo& info) {
  if (info[0].IsUndefined()) return ModuleObject::wrap(info.Env(), core()->load_module(nullptr));
  if (!info[0].IsString()) invalid_argument("path", info[0], "the path of a shared library");
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  return ModuleObject::wrap(info.Env(), core()->load_module(&path));
}

Napi::Value DeviceObject::load_image(const Napi::CallbackInfo& info) {
  const Bytes image = view_argument(info[0], "image");
  if (!info[1].IsString()) invalid_argument("name", info[1], "a text");
  std::string bytes(reinterpret_cast<const char*>(image.address), image.bytes);
  return ModuleObject::wrap(info.Env(), core()->load_image(std::move(bytes), info[1].As<Napi::String>().Utf8Value()));
}

Napi::Value DeviceObject::bind_arena(const Napi::CallbackInfo& info) {
  core()->require_open();
  const Bytes view = view_argument(info[0], "view");
  if (view.bytes == 0 || view.address == nullptr) invalid_argument("view", info[0], "a view that is not empty");
  napi_env env = info.Env();
  napi_ref reference;
  if (napi_create_reference(env, info[0], 1, &reference) != napi_ok) invalid_argument("view", info[0], "a typed array");
  std::shared_ptr<void> hold(reference, [env](void* held) { napi_delete_reference(env, static_cast<napi_ref>(held)); });
  const ArenaPin& pin = core()->bind_arena(view.address, view.bytes, std::move(hold));
  return pin.pinned ? info.Env().Null() : Napi::String::New(env, pin.reason);
}

Napi::Value DeviceObject::memory(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  core()->empty_retired();
  const Account& account = *core()->account;
  Napi::Object use = Napi::Object::New(env);
  use.Set("allocatedBytes", static_cast<double>(account.allocated));
  use.Set("peakBytes", static_cast<double>(account.peak));
  use.Set("limitBytes", account.limit < 0 ? env.Null() : Napi::Number::New(env, static_cast<double>(account.limit)));
  use.Set("buffers", static_cast<double>(core()->buffers.size()));
  use.Set("graphs", static_cast<double>(core()->graphs.size()));
  use.Set("graphBytes", static_cast<double>(account.graph_bytes));
  return use;
}

Napi::Value DeviceObject::facts(const Napi::CallbackInfo& info) {
  core()->require_open();
  const DeviceFacts& known = core()->facts();
  const DeviceBytes bytes = core()->free_bytes();
  Napi::Object facts = Napi::Object::New(info.Env());
  facts.Set("kind", known.kind);
  facts.Set("name", known.name);
  facts.Set("arch", known.arch);
  facts.Set("warp", known.warp);
  facts.Set("driverVersion", known.driver_version);
  facts.Set("pci", known.pci);
  facts.Set("freeBytes", static_cast<double>(bytes.free));
  facts.Set("totalBytes", static_cast<double>(bytes.total));
  return facts;
}

Napi::Value DeviceObject::failure(const Napi::CallbackInfo& info) {
  const auto failure = core()->failure();
  return Napi::Value(info.Env(), failure != nullptr ? error_value(info.Env(), failure->error) : static_cast<napi_value>(info.Env().Null()));
}

Napi::Value DeviceObject::given_up(const Napi::CallbackInfo& info) {
  Napi::Object counts = Napi::Object::New(info.Env());
  for (const Detail& kind : core()->given_up()) counts.Set(kind.name, std::get<double>(kind.value));
  return counts;
}

Napi::Value DeviceObject::dispose(const Napi::CallbackInfo& info) {
  core()->close();
  return info.Env().Undefined();
}

}  // namespace lockstep
