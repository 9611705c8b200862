#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "account.h"
#include "backend.h"
#include "retire.h"
#include "staging.h"

namespace lockstep {

class Device;
class Stream;
struct Capture;
struct Pool;

// The objects below are used by the device's JS thread alone. Their device resources go to its retire list.

struct Buffer {
  Buffer(Device& device, std::unique_ptr<Memory> memory, Charge charge);
  // A part of another, which it keeps.
  Buffer(std::shared_ptr<Buffer> whole, size_t offset, size_t bytes);
  ~Buffer();
  // Throws ERR_DEVICE_BUSY while a graph or capture holds its address or it has ranges, ERR_DEVICE_CAPTURE in a capture.
  void dispose();
  // A range of `whole` as a buffer of its own. Throws ERR_LAUNCH_BOUNDS, ERR_INPUT_INVALID, ERR_DISPOSED.
  static std::shared_ptr<Buffer> range_of(const std::shared_ptr<Buffer>& whole, int64_t offset, int64_t bytes);

  std::shared_ptr<Device> device;
  int32_t id;
  size_t bytes;
  // Null when disposed.
  std::unique_ptr<Memory> memory;
  Charge charge;
  Uses uses;
  // Live graphs, recordings, and captures under way, that hold its address.
  int32_t baked = 0;
  // Of a range, the buffer it is a part of, which is no range; of a whole, how many ranges are alive.
  std::shared_ptr<Buffer> whole;
  int32_t ranges = 0;

 private:
  void release();
};

struct LoadedModule {
  LoadedModule(Device& device, std::unique_ptr<Module> module);
  ~LoadedModule();
  // Throws ERR_DEVICE_CAPTURE in a capture. Graphs that launch its kernels keep them.
  void dispose();

  std::shared_ptr<Device> device;
  int32_t id;
  bool disposed = false;
  // Null once it is unloaded.
  std::unique_ptr<Module> module;
  Uses uses;
  // Live graphs, recordings, and captures under way, that launch its kernels.
  int32_t baked = 0;
  void unload_if_unused();
};

struct Event {
  // `named`: by an id, so that commands can use it. A wait makes one without: there is no end of waits, and there is one of ids.
  Event(Device& device, bool named);
  ~Event();
  void dispose();

  std::shared_ptr<Device> device;
  // 0 for none.
  int32_t id;
  bool disposed = false;
  // Where it was recorded last; null if it never was. Each record makes a new mark; a waiter keeps the one it waits for.
  std::shared_ptr<Mark> mark;
  // The capture in which it was recorded, if any.
  std::shared_ptr<Capture> capture;
  Stream* capture_stream = nullptr;
  uint64_t capture_position = 0;
  // The nodes that a stream which waits for it waits for.
  std::vector<int32_t> capture_tail;
};

struct Sharer;

// The objects that recorded work uses: buffers whose addresses, and modules whose kernels, are baked in.
class Baked {
 public:
  Baked() = default;
  Baked(Baked&&) = default;
  Baked& operator=(Baked&& other);
  ~Baked();
  void add(const std::shared_ptr<Buffer>& buffer);
  void add(const std::shared_ptr<LoadedModule>& module);
  // What a recorded upload reads at every replay.
  void add(std::shared_ptr<StagingPiece> piece) { staging_.push_back(std::move(piece)); }
  void add(const std::shared_ptr<Sharer>& sharer);
  bool holds(const Sharer& sharer) const;
  // What a graph keeps as long as the driver has it.
  std::vector<std::shared_ptr<void>> held() const;
  // A graph's launch ends at the mark.
  void launched(const std::shared_ptr<Mark>& mark) const;
  bool shares() const { return !sharers_.empty(); }
  // They are in use wherever the graph is.
  void use(const Uses& uses) const;

 private:
  void release();

  std::vector<std::shared_ptr<Buffer>> buffers_;
  std::vector<std::shared_ptr<LoadedModule>> modules_;
  std::vector<std::shared_ptr<StagingPiece>> staging_;
  std::vector<std::shared_ptr<Sharer>> sharers_;
};

// Something on a device that works together with others outside it.
struct Sharer {
  virtual ~Sharer() = default;
  // Of graphs that captured its work: what they keep, and that one was launched.
  virtual std::shared_ptr<void> held() { return nullptr; }
  virtual void launched(std::shared_ptr<Mark>) {}
  // Before a stream ends: its work may wait for others.
  virtual void closing() {}
  // Before the streams end: no thread begins to read from here on.
  virtual void leave() = 0;
  // After they ended, before memory is freed: waits for readers.
  virtual void release() = 0;
};

class Device : public std::enable_shared_from_this<Device> {
 public:
  Device(std::unique_ptr<Backend> backend, int64_t memory_limit);
  ~Device();

  std::shared_ptr<Buffer> allocate(size_t bytes);
  std::unique_ptr<Staging> allocate_staging(size_t bytes);
  std::shared_ptr<Stream> create_stream(int priority);
  std::shared_ptr<Event> create_event(bool named = true);
  std::shared_ptr<LoadedModule> load_module(const std::string* path);
  std::shared_ptr<LoadedModule> load_image(std::string image, const std::string& name);
  // `hold` keeps the memory where it is until the streams are joined.
  const ArenaPin& bind_arena(std::byte* address, size_t bytes, std::shared_ptr<void> hold);
  void release_stream(Stream& stream);
  // Null when it is disposed.
  Stream* stream(int32_t id) const;

  // Puts it on the retire list, and empties the list where possible.
  void retire(std::unique_ptr<Resource> resource, Charge charge, const Uses& uses);
  // Frees what is retired and no longer used; in a capture, nothing.
  void empty_retired();
  size_t retired() const { return retired_.size(); }

  // Joins the streams, then frees all memory; of a device that is lost, nothing. Idempotent.
  void close();
  bool closed() const { return closed_; }
  void require_open() const;
  // Throws ERR_DEVICE_CAPTURE while any stream captures: a driver refuses it then, and loses the capture.
  void require_no_capture(const std::string& what) const;
  // A capture under way, or null.
  const Capture* capture() const { return captures.empty() ? nullptr : captures.front(); }
  const DeviceFacts& facts() const { return backend_->facts(); }
  DeviceBytes free_bytes() { return backend_->free_bytes(); }
  std::shared_ptr<GpuDevice> gpu() const { return backend_->gpu(); }
  std::shared_ptr<const Failure> failure() const { return backend_->failure(); }
  std::vector<Detail> given_up() const { return backend_->given_up(); }

  std::shared_ptr<Account> account;
  std::unordered_map<int32_t, Buffer*> buffers;
  std::unordered_map<int32_t, LoadedModule*> modules;
  std::unordered_map<int32_t, Event*> events;
  std::unordered_set<Event*> unnamed_events;
  std::unordered_map<int32_t, struct Graph*> graphs;
  // Those that are neither instantiated nor disposed.
  std::unordered_set<struct Recording*> recordings;
  // Captures under way.
  std::vector<Capture*> captures;
  std::vector<Sharer*> sharers;
  StagingPool staging;
  int32_t next_id = 1;
  // JS objects of this device; when the last one is gone, the device is unreachable and closes.
  int64_t handles = 0;
  std::byte* arena = nullptr;
  size_t arena_bytes = 0;

 private:
  std::unique_ptr<Backend> backend_;
  // Strong references: a stream that JS dropped still finishes its work.
  std::unordered_map<int32_t, std::shared_ptr<Stream>> streams_;
  RetireList retired_;
  std::unique_ptr<ArenaPin> arena_pin_;
  std::shared_ptr<void> arena_hold_;
  bool closed_ = false;
};

// Throws ERR_DISPOSED.
[[noreturn]] void throw_disposed(const char* what, int32_t id);
// Throws ERR_DEVICE_MISMATCH unless both are the same device.
void require_device(const std::shared_ptr<Device>& expected, const std::shared_ptr<Device>& actual, const char* what);

}  // namespace lockstep
