#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "command-words.h"
#include "error.h"
#include "include/lockstep-kernels.h"

namespace lockstep {

class GpuDevice;

// What a backend (host, CUDA, HIP) is to the rest of the addon. Checks, ids, accounting, lifetimes and capture rules are
// done by the callers in core/, once for all backends; a backend only executes. It may rely on this: memory, modules and
// graphs are freed, and anything other than streams, marks and staging is made, only while none of the device's streams
// captures; and whatever queued work uses stays alive until that work is done, unless the device is lost.

// Where device memory lies. Only the backend knows what the number means: on a GPU it is no pointer.
struct DeviceAddress {
  uint64_t value = 0;

  DeviceAddress operator+(uint64_t bytes) const { return {value + bytes}; }
};

// A resource that the device has to free.
struct Resource {
  virtual ~Resource() = default;
};

struct Memory : Resource {
  DeviceAddress address;
  size_t bytes = 0;
};

// Host memory for copies, which the device reads and writes by itself where it is pinned.
struct Staging : Resource {
  std::byte* host = nullptr;
  size_t bytes = 0;
  bool pinned = false;
};

// An arena that the device knows, until this goes.
struct ArenaPin : Resource {
  bool pinned = false;
  // Why it is not: its copies go through pinned memory then.
  std::string reason;
};

struct DeviceFacts {
  std::string kind;
  std::string name;
  // What kernels are compiled for: "x86_64", "sm_90".
  std::string arch;
  // Threads that run in step.
  int warp = 1;
  // As the vendor counts; 0 without a driver.
  int driver_version = 0;
  // Empty without one.
  std::string pci;
};

// Bytes of the device as a whole, whoever holds them.
struct DeviceBytes {
  uint64_t free = 0;
  uint64_t total = 0;
};

struct RawLaunch;

struct Module : Resource {
  // Of an image alone: the number of the entry point of this name. Throws ERR_LAUNCH_INVALID where there is none.
  virtual size_t entry(const std::string& name);
  // Of an image alone: throws ERR_LAUNCH_INVALID for sizes that the device or the kernel cannot have, and for other parameters than
  // the kernel's, as far as the driver knows them.
  virtual void check(const RawLaunch& launch) const;
  // Empty for an image, whose entry points are known by name.
  const lockstep_kernel* kernels = nullptr;
  size_t count = 0;
  // The kernels of this build, whose time is bounded by the bytes they touch.
  bool builtin = false;
};

// Why a stream has stopped.
struct Failure {
  DeviceError error;
};

struct WaitResult {
  bool done;
  std::shared_ptr<const Failure> failure;
};

// A place in a stream's queue, which never moves. Safe on any thread.
struct Mark {
  virtual ~Mark() = default;
  // Waits at most `ms` milliseconds; 0 only looks.
  virtual WaitResult wait(double ms) = 0;
  // Called by the thread that uses the stream, before another thread waits.
  virtual void expect() {}
  // The same, where that thread can run the stream's work itself: does so, for at most `ms` milliseconds.
  virtual void help(double) {}
};

// An argument of a launch: device memory from an address on, or a scalar.
struct LaunchValue {
  DeviceAddress address;
  int64_t bytes = 0;
  int64_t scalar = 0;
};

// A launch of an image's kernel: only the caller knows what it reads and writes. Dimensions are x, y, z.
struct RawLaunch {
  // Which entry point of the module, and its name.
  size_t entry = 0;
  std::string name;
  // Blocks, threads of a block, and blocks of a cluster.
  std::array<unsigned, 3> grid = {1, 1, 1};
  std::array<unsigned, 3> block = {1, 1, 1};
  std::array<unsigned, 3> cluster = {1, 1, 1};
  unsigned shared_bytes = 0;
  // All blocks are on the device at once.
  bool cooperative = false;
  // A parameter each, in the low bytes, and how many of them it has.
  std::vector<uint64_t> words;
  std::vector<uint8_t> sizes;
  // So many of the last parameters the kernel may lack.
  size_t optional = 0;
};

// A checked launch: addresses and scalars are final.
struct Launch {
  const Module* module = nullptr;
  // Null for a raw launch, which has no values.
  const lockstep_kernel* kernel = nullptr;
  std::unique_ptr<const RawLaunch> raw;
  std::vector<LaunchValue> values;
  // Upper bound of the bytes that it reads and writes; SIZE_MAX if unknown.
  size_t touched = SIZE_MAX;
};

// Columns [begin, end) of a row of a table.
struct RowEdit {
  int32_t row;
  int32_t begin;
  int32_t end;
  int32_t unused;
};
static_assert(sizeof(RowEdit) == EDIT_WORDS * 4);

struct GraphBackend : Resource {
  size_t nodes = 0;
  // Bytes the graph itself holds.
  size_t bytes = 0;
  // Let go once the driver's graph is gone.
  std::vector<std::shared_ptr<void>> holds;
  // The part of them that a driver took: an estimate, by what was free before and after.
  size_t driver_bytes = 0;
};

// Work that was recorded and is no graph yet.
struct RecordingBackend {
  virtual ~RecordingBackend() = default;
  // Once, or again where the graph was destroyed.
  virtual std::unique_ptr<GraphBackend> instantiate() = 0;

  size_t nodes = 0;
  // Its graph holds them too.
  std::vector<std::shared_ptr<void>> holds;
  // Bytes the graph will hold, those that a driver will take left out.
  size_t bytes = 0;
};

struct Operation {
  enum class Kind : uint8_t { none, upload, download, copy, edit_table, launch, graph, record, wait };

  Kind kind = Kind::none;
  // For copies and edits: the place in device memory.
  DeviceAddress device;
  // A copy within device memory reads here; it may be memory of another `Device` of the same process and card.
  DeviceAddress source;
  // An upload and an edit read here, a download writes here: the arena, or staging.
  std::byte* host = nullptr;
  size_t bytes = 0;
  // Of edits alone: one kernel copies these from the table at `host` into the one at `device`; both have `pitch` columns of 4 bytes.
  std::vector<RowEdit> edits;
  uint32_t pitch = 0;
  std::shared_ptr<const Launch> launch;
  GraphBackend* graph = nullptr;
  // The mark that a wait waits for; enqueue() stores here the mark that a record made.
  std::shared_ptr<Mark> mark;

  void clear() {
    kind = Kind::none;
    launch.reset();
    graph = nullptr;
    mark.reset();
  }
};

// Used by one thread.
struct StreamBackend {
  virtual ~StreamBackend() = default;
  // All `count` operations in order. Operations are valid: what throws enqueued nothing, and a driver that fails half-way fails the
  // stream instead. Moves the contents out; `edits` keep some capacity.
  virtual void enqueue(Operation* operations, size_t count) = 0;
  // A fresh mark at the end of the queue; in a capture, one that only streams of the capture wait for.
  virtual std::shared_ptr<Mark> mark() = 0;
  // Waits at most `ms` milliseconds for all that was enqueued.
  virtual WaitResult wait(double ms) = 0;
  virtual std::shared_ptr<const Failure> failure() const = 0;
  // Operations are recorded from here on. A stream that joins records into the capture of the other.
  virtual void begin_capture() = 0;
  virtual void join_capture(StreamBackend& origin) = 0;
  // Ends the capture that this stream began, or drops it. Streams that joined leave it first.
  virtual std::unique_ptr<RecordingBackend> end_capture() = 0;
  virtual void abandon_capture() = 0;
  virtual void leave_capture() = 0;
  // The driver's stream, for a library that has just enqueued work on it, or is about to. Null without a driver.
  virtual void* driver_stream() { return nullptr; }
  // Ends the stream, which drops what has not begun where that is possible. False where work still runs after `ms` milliseconds:
  // it may go on using memory, and the device is lost. Idempotent.
  virtual bool close(double ms) = 0;
};

struct Backend {
  virtual ~Backend() = default;
  virtual const DeviceFacts& facts() const = 0;
  virtual DeviceBytes free_bytes() = 0;
  virtual std::unique_ptr<Memory> allocate(size_t bytes) = 0;
  // In a capture too.
  virtual std::unique_ptr<Staging> allocate_staging(size_t bytes) = 0;
  // Once. `address` and `bytes` are what uploads, downloads and edits of command blocks refer to.
  virtual std::unique_ptr<ArenaPin> pin_arena(std::byte* address, size_t bytes) = 0;
  // Work of streams of higher priority is preferred; 0 is the least, and a backend has as many as it has.
  virtual std::shared_ptr<StreamBackend> create_stream(int priority) = 0;
  // The built-in kernels when `path` is null.
  virtual std::unique_ptr<Module> load_module(const std::string* path) = 0;
  // Kernels that were compiled for a GPU. `name` is for messages. Throws ERR_LAUNCH_INVALID.
  virtual std::unique_ptr<Module> load_image(std::string image, const std::string& name) = 0;
  // For libraries that call the driver themselves; null for a device that is no GPU.
  virtual std::shared_ptr<GpuDevice> gpu() const { return nullptr; }
  // Frees what the device made for itself, once all else is gone.
  virtual void close() {}
  // Why nothing of the device works any more, or null. Its resources are not freed then, and its work may still run.
  virtual std::shared_ptr<const Failure> lost() const { return nullptr; }
  // The same, or why it takes no more work and can only be let go of, or null.
  virtual std::shared_ptr<const Failure> failure() const { return lost(); }
  // What stays with a driver, since it could not be let go of: counts by kind.
  virtual std::vector<Detail> given_up() const { return {}; }
};

}  // namespace lockstep
