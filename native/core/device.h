#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>

#include "backend.h"

namespace lockstep {

class Device;
class Stream;
struct Capture;

// Bytes held. Memory may be let go by a stream's thread, hence atomics.
struct Account {
  std::atomic<int64_t> allocated{0};
  std::atomic<int64_t> graph_bytes{0};
  int64_t peak = 0;
  int64_t limit = -1;

  // Throws ERR_DEVICE_MEMORY beyond the limit.
  void charge(int64_t bytes, const char* what);
};

// The objects below are used by the device's JS thread alone.

struct Buffer {
  Buffer(Device& device, std::shared_ptr<Memory> memory);
  ~Buffer();
  void dispose();

  std::shared_ptr<Device> device;
  int32_t id;
  size_t bytes;
  std::shared_ptr<Memory> memory;
  // Live graphs, and captures under way, that hold its address.
  int32_t baked = 0;
};

struct Event {
  explicit Event(Device& device);
  ~Event();
  void dispose();

  std::shared_ptr<Device> device;
  int32_t id;
  std::shared_ptr<EventBackend> backend;
  // Where it was recorded when that was in a capture.
  std::shared_ptr<Capture> capture;
  Stream* capture_stream = nullptr;
  uint64_t capture_position = 0;
};

struct Graph {
  Graph(Device& device, std::shared_ptr<GraphBackend> backend, std::vector<std::shared_ptr<Buffer>> baked);
  ~Graph();
  void dispose();

  std::shared_ptr<Device> device;
  int32_t id;
  std::shared_ptr<GraphBackend> backend;
  std::vector<std::shared_ptr<Buffer>> baked;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(std::unique_ptr<Backend> backend, int64_t memory_limit);
  ~Device();

  std::shared_ptr<Buffer> allocate(size_t bytes);
  std::shared_ptr<Stream> create_stream();
  std::shared_ptr<Event> create_event();
  std::shared_ptr<Module> load_module(const std::string* path);
  std::shared_ptr<GraphBackend> charge_graph(std::unique_ptr<GraphBackend> graph);
  // `hold` keeps the memory where it is until the streams are joined.
  void bind_arena(std::byte* address, size_t bytes, std::shared_ptr<void> hold);
  void release_stream(Stream& stream);

  // Joins the streams, then lets all memory go. Idempotent.
  void close();
  bool closed() const { return closed_; }
  void require_open() const;
  const char* kind() const { return backend_->kind(); }

  std::shared_ptr<Account> account;
  std::unordered_map<int32_t, Buffer*> buffers;
  std::unordered_map<int32_t, Event*> events;
  std::unordered_map<int32_t, Graph*> graphs;
  int32_t next_id = 1;
  // JS objects of this device; when the last is gone, nobody can reach it and it closes.
  int64_t handles = 0;
  std::byte* arena = nullptr;
  size_t arena_bytes = 0;

 private:
  std::unique_ptr<Backend> backend_;
  // Strong: a stream that JS forgot still finishes its work.
  std::unordered_map<int32_t, std::shared_ptr<Stream>> streams_;
  std::shared_ptr<void> arena_hold_;
  bool closed_ = false;
};

// Throws ERR_DISPOSED.
[[noreturn]] void throw_disposed(const char* what, int32_t id);
// Throws ERR_DEVICE_MISMATCH unless both are the same device.
void require_device(const std::shared_ptr<Device>& expected, const std::shared_ptr<Device>& actual, const char* what);

}  // namespace lockstep
