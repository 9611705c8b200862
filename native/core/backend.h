#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "error.h"
#include "include/lockstep-kernels.h"

namespace lockstep {

// What a backend (host, CUDA, HIP) is to the rest of the addon. Checks, ids, accounting and capture rules are done by the
// callers in core/, once for all backends; a backend only carries out.

struct Memory {
  virtual ~Memory() = default;
  std::byte* address = nullptr;
  size_t bytes = 0;
};

// Why a stream runs nothing more.
struct Failure {
  DeviceError error;
};

struct WaitResult {
  bool done;
  std::shared_ptr<const Failure> failure;
};

// A place in a stream's queue. Safe on any thread.
struct Point {
  virtual ~Point() = default;
  // Waits at most `ms` milliseconds; 0 only looks.
  virtual WaitResult wait(double ms) = 0;
};

struct EventBackend {
  virtual ~EventBackend() = default;
  // The place last recorded; one that is always reached when there is none.
  virtual std::shared_ptr<Point> point() const = 0;
  virtual WaitResult wait(double ms) = 0;
};

struct Module {
  virtual ~Module() = default;
  const lockstep_kernel* kernels = nullptr;
  size_t count = 0;
};

// A checked launch: addresses and scalars are final.
struct Launch {
  std::shared_ptr<const Module> module;
  const lockstep_kernel* kernel = nullptr;
  std::vector<lockstep_value> values;
  std::vector<std::shared_ptr<Memory>> holds;
};

struct GraphBackend {
  virtual ~GraphBackend() = default;
  size_t nodes = 0;
  size_t bytes = 0;
};

// A run of bytes at the same offset from both bases.
struct Span {
  size_t offset;
  size_t bytes;
};

struct Operation {
  enum class Kind : uint8_t { none, upload, upload_spans, download, launch, graph, record, wait };

  Kind kind = Kind::none;
  std::byte* to = nullptr;
  const std::byte* from = nullptr;
  size_t bytes = 0;
  std::vector<Span> spans;
  // What must live until the operation has run; the arena lives as long as the device.
  std::shared_ptr<const void> hold_to;
  std::shared_ptr<const void> hold_from;
  std::shared_ptr<const Launch> launch;
  std::shared_ptr<GraphBackend> graph;
  std::shared_ptr<EventBackend> event;

  void clear() {
    kind = Kind::none;
    spans.clear();
    hold_to.reset();
    hold_from.reset();
    launch.reset();
    graph.reset();
    event.reset();
  }
};

// Used by one thread, but for wait().
struct StreamBackend {
  virtual ~StreamBackend() = default;
  // All `count` operations in order, or, when it throws, none. Contents are taken; `spans` keep some capacity.
  virtual void enqueue(Operation* operations, size_t count) = 0;
  virtual WaitResult wait(double ms) = 0;
  virtual std::shared_ptr<const Failure> failure() const = 0;
  // Operations are recorded from here on. A stream that joins records into the capture of the other.
  virtual void begin_capture() = 0;
  virtual void join_capture(StreamBackend& origin) = 0;
  virtual void leave_capture() = 0;
  virtual std::unique_ptr<GraphBackend> end_capture() = 0;
  // Lets what runs finish, drops the rest and joins. Idempotent.
  virtual void close() = 0;
};

struct Backend {
  virtual ~Backend() = default;
  virtual const char* kind() const = 0;
  virtual std::unique_ptr<Memory> allocate(size_t bytes) = 0;
  virtual std::shared_ptr<StreamBackend> create_stream() = 0;
  virtual std::shared_ptr<EventBackend> create_event() = 0;
  // The built-in kernels when `path` is null.
  virtual std::shared_ptr<Module> load_module(const std::string* path) = 0;
};

std::unique_ptr<Backend> create_host_backend();

}  // namespace lockstep
