#pragma once

#include "backends.h"
#include "collectives/communicator.h"
#include "collectives/nccl-group.h"
#include "core/pool.h"
#include "core/stream.h"
#include "handle.h"

namespace lockstep {

class DeviceObject final : public Handle<DeviceObject, Device> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6465766963650001};
  static constexpr ClassIndex index = device_class;
  static constexpr const char* name = "Device";
  using Handle::Handle;
  static void define(Napi::Env env);
  static Napi::Value open(Napi::Env env, OpenedBackend opened, int64_t memory_limit);

 private:
  Napi::Value allocate(const Napi::CallbackInfo& info);
  Napi::Value create_stream(const Napi::CallbackInfo& info);
  Napi::Value create_event(const Napi::CallbackInfo& info);
  Napi::Value create_pool(const Napi::CallbackInfo& info);
  Napi::Value join_local(const Napi::CallbackInfo& info);
  Napi::Value join_mpi(const Napi::CallbackInfo& info);
  Napi::Value join_nccl(const Napi::CallbackInfo& info);
  Napi::Value load_module(const Napi::CallbackInfo& info);
  Napi::Value load_image(const Napi::CallbackInfo& info);
  Napi::Value bind_arena(const Napi::CallbackInfo& info);
  Napi::Value memory(const Napi::CallbackInfo& info);
  Napi::Value facts(const Napi::CallbackInfo& info);
  Napi::Value failure(const Napi::CallbackInfo& info);
  Napi::Value given_up(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

class CommunicatorObject final : public Handle<CommunicatorObject, Communicator> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x636f6d6d756e0001};
  static constexpr ClassIndex index = communicator_class;
  static constexpr const char* name = "Communicator";
  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value post(const Napi::CallbackInfo& info);
  Napi::Value arrived(const Napi::CallbackInfo& info);
  Napi::Value collect(const Napi::CallbackInfo& info);
  Napi::Value missing(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);
  Napi::Value released(const Napi::CallbackInfo& info);
};

class NcclObject final : public Handle<NcclObject, NcclGroup> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6e63636c00000001};
  static constexpr ClassIndex index = nccl_class;
  static constexpr const char* name = "Nccl";
  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value begin(const Napi::CallbackInfo& info);
  Napi::Value settled(const Napi::CallbackInfo& info);
  Napi::Value abort(const Napi::CallbackInfo& info);
  Napi::Value leave(const Napi::CallbackInfo& info);
  Napi::Value released(const Napi::CallbackInfo& info);
  Napi::Value give_up(const Napi::CallbackInfo& info);
};

class BufferObject final : public Handle<BufferObject, Buffer> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6275666665720001};
  static constexpr ClassIndex index = buffer_class;
  static constexpr const char* name = "Buffer";
  explicit BufferObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Buffer>& buffer);

 private:
  Napi::Value range(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  // Bytes reported to V8: those of its own machine's memory.
  int64_t reported_;
};

class EventObject final : public Handle<EventObject, Event> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6576656e74000001};
  static constexpr ClassIndex index = event_class;
  static constexpr const char* name = "Event";
  using Handle::Handle;
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Event>& event);

 private:
  Napi::Value query(const Napi::CallbackInfo& info);
  Napi::Value wait_slice(const Napi::CallbackInfo& info);
  Napi::Value wait_slice_async(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  // Where it was recorded last; null if it never was. Throws when disposed, and if it was recorded in a capture, which may have
  // ended.
  const std::shared_ptr<Mark>& mark() const;
  // A separate event at the same mark.
  Napi::Value last(const Napi::CallbackInfo& info);
};

class GraphObject final : public Handle<GraphObject, Graph> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6772617068000001};
  static constexpr ClassIndex index = graph_class;
  static constexpr const char* name = "Graph";
  explicit GraphObject(const Napi::CallbackInfo& info);
  void Finalize(Napi::Env env) override;
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Graph>& graph);

 private:
  Napi::Value dispose(const Napi::CallbackInfo& info);
  int64_t reported_;
};

class ModuleObject final : public Handle<ModuleObject, LoadedModule> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x6d6f64756c650001};
  static constexpr ClassIndex index = module_class;
  static constexpr const char* name = "Module";
  using Handle::Handle;
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<LoadedModule>& module);

 private:
  Napi::Value entry(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

class PoolObject final : public Handle<PoolObject, Pool> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x706f6f6c00000001};
  static constexpr ClassIndex index = pool_class;
  static constexpr const char* name = "Pool";
  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value take(const Napi::CallbackInfo& info);
  Napi::Value reset(const Napi::CallbackInfo& info);
  Napi::Value sizes(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

class RecordingObject final : public Handle<RecordingObject, Recording> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x7265636f72640001};
  static constexpr ClassIndex index = recording_class;
  static constexpr const char* name = "Recording";
  using Handle::Handle;
  static void define(Napi::Env env);
  static Napi::Value wrap(Napi::Env env, const std::shared_ptr<Recording>& recording);

 private:
  Napi::Value order(const Napi::CallbackInfo& info);
  Napi::Value instantiate(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
};

struct Readback {
  std::shared_ptr<StagingPiece> staging;
  std::shared_ptr<Event> filled;
};

class ReadbackObject final : public Handle<ReadbackObject, Readback> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x7265616462610001};
  static constexpr ClassIndex index = readback_class;
  static constexpr const char* name = "Readback";
  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value copy_to(const Napi::CallbackInfo& info);
};

class StreamObject final : public Handle<StreamObject, Stream> {
 public:
  static constexpr napi_type_tag tag = {0x6c6f636b73746570, 0x73747265616d0001};
  static constexpr ClassIndex index = stream_class;
  static constexpr const char* name = "Stream";
  using Handle::Handle;
  static void define(Napi::Env env);

 private:
  Napi::Value launch(const Napi::CallbackInfo& info);
  Napi::Value launch_raw(const Napi::CallbackInfo& info);
  Napi::Value upload(const Napi::CallbackInfo& info);
  Napi::Value copy(const Napi::CallbackInfo& info);
  Napi::Value readback(const Napi::CallbackInfo& info);
  Napi::Value record(const Napi::CallbackInfo& info);
  Napi::Value wait(const Napi::CallbackInfo& info);
  Napi::Value launch_graph(const Napi::CallbackInfo& info);
  Napi::Value begin_capture(const Napi::CallbackInfo& info);
  Napi::Value end_capture(const Napi::CallbackInfo& info);
  Napi::Value abandon_capture(const Napi::CallbackInfo& info);
  Napi::Value capturing(const Napi::CallbackInfo& info);
  Napi::Value set_command_block(const Napi::CallbackInfo& info);
  Napi::Value wait_slice(const Napi::CallbackInfo& info);
  Napi::Value mark(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);
  // The hot call of a step: without the conveniences of CallbackInfo.
  static napi_value submit(napi_env env, napi_callback_info info);
};

// The functions of the metadata module over a planner's memory: bindMetadata(view).
napi_value bind_metadata(napi_env env, napi_callback_info raw);

// MPI in this process, as functions: `addon.mpi`.
Napi::Object mpi_functions(Napi::Env env);
// With which instructions and on how many threads the host's kernels run: cpuKernels().
napi_value cpu_kernels(napi_env env, napi_callback_info info);
// What there is of a vendor's driver: probeDriver('cuda' | 'hip').
napi_value probe_driver(napi_env env, napi_callback_info raw);
// What there is of a vendor's library of collectives, by the kind of device that it serves: probeCollectives('cuda' | 'hip').
napi_value probe_collectives(napi_env env, napi_callback_info raw);
// What the ranks of a communicator share, 128 bytes: ncclId('cuda' | 'hip'). One rank makes it and gives it to all.
napi_value nccl_id(napi_env env, napi_callback_info raw);
// Compiles a source by HIP's runtime compiler: compileHip(source, target, libraries). May end the process.
napi_value compile_hip_source(napi_env env, napi_callback_info raw);
// `lockFile`.
napi_value lock_file(napi_env env, napi_callback_info raw);
// A file as memory that outlives the process, and the end of its lock: mapFile(path, bytes), unlockFile(memory).
napi_value map_file(napi_env env, napi_callback_info raw);
napi_value unlock_file(napi_env env, napi_callback_info raw);
// Whether a card's driver pins a view's memory: probePinning(kind, ordinal, view), null or why not.
napi_value probe_pinning(napi_env env, napi_callback_info raw);

}  // namespace lockstep
