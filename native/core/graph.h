#pragma once

#include <memory>

#include "capture.h"
#include "device.h"

namespace lockstep {

// A graph's use of its pool.
struct PoolUse {
  // By how much the pool's peak use grew for it: 0 for a graph that fitted into memory that others had used.
  size_t reserved = 0;
  // Bytes of the pool that it uses.
  size_t allocated = 0;
};

struct Graph {
  Graph(Device& device, std::unique_ptr<GraphBackend> backend, Charge charge, Baked baked, std::shared_ptr<Pool> pool,
        PoolUse pool_use);
  ~Graph();
  // Throws ERR_DEVICE_CAPTURE in a capture.
  void dispose();
  void release();

  std::shared_ptr<Device> device;
  int32_t id;
  // Null when disposed.
  std::unique_ptr<GraphBackend> backend;
  Charge charge;
  Baked baked;
  // Null where it uses none.
  std::shared_ptr<Pool> pool;
  PoolUse pool_use;
  Uses uses;
};

// What endCapture() gives. Between it and instantiate(), which is where a driver takes a graph's memory, memory held in reserve
// for the graph can be freed: in the capture that is not possible, and after instantiate() it is too late.
struct Recording {
  // Made from a capture that is about to end.
  Recording(Capture& capture, std::unique_ptr<RecordingBackend> backend);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  // Throws ERR_DISPOSED the second time, ERR_DEVICE_CAPTURE in another capture, and ERR_DEVICE_MEMORY, after which it may be
  // tried again.
  std::shared_ptr<Graph> instantiate();
  void dispose();

  std::shared_ptr<Device> device;
  // Null when disposed or instantiated.
  std::unique_ptr<RecordingBackend> backend;
  size_t nodes;
  Baked baked;
  CapturedOrder order;
  std::shared_ptr<Pool> pool;
  PoolUse pool_use;
};

}  // namespace lockstep
