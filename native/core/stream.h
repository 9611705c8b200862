#pragma once

#include <memory>
#include <string>
#include <vector>

#include "capture.h"
#include "command-block.h"
#include "graph.h"
#include "launch.h"

namespace lockstep {

// Where a collective reads and writes.
struct CollectivePlaces {
  DeviceAddress send;
  DeviceAddress recv;
};

// A stream as JS sees it: every misuse is refused here, before it reaches the backend. One JS thread uses it.
class Stream {
 public:
  Stream(Device& device, std::shared_ptr<StreamBackend> backend);
  ~Stream();

  void launch(const std::shared_ptr<LoadedModule>& module, size_t kernel, const std::vector<LaunchArgument>& arguments);
  // A kernel of an image; `sizes` are its dimensions, without parameters.
  void launch_raw(const std::shared_ptr<LoadedModule>& module, RawLaunch sizes, const std::vector<RawArgument>& arguments);
  void upload(const std::shared_ptr<Buffer>& buffer, int64_t offset, const std::byte* source, size_t bytes);
  // The bytes are available once the stream has reached the current end of its queue.
  std::shared_ptr<StagingPiece> download(const std::shared_ptr<Buffer>& buffer, int64_t offset, size_t bytes);
  // Copies within the device's memory; `name` is what recordings call it.
  void copy(const std::shared_ptr<Buffer>& from, int64_t from_offset, const std::shared_ptr<Buffer>& to, int64_t to_offset,
            size_t bytes, std::string name = "copy");
  // For collectives, outside captures: a copy of memory that the caller keeps alive until it is done, and a wait for a mark of
  // another device's stream.
  void copy_from(DeviceAddress from, const std::shared_ptr<Buffer>& to, int64_t to_offset, size_t bytes);
  // Throws what copy(), copy_from() and wait_mark() throw of this stream and these bytes of a buffer.
  void check_exchange(const Buffer& buffer, int64_t offset, size_t bytes) const;
  void wait_mark(std::shared_ptr<Mark> mark);
  // For a library that enqueues collectives itself, also in a capture: the places, checked; then that the buffers are in use, and what
  // the recording calls it; and the driver's stream, asked for before the library enqueues and once it has.
  CollectivePlaces collective_places(const std::shared_ptr<Buffer>& send, int64_t send_offset, size_t send_bytes,
                                     const std::shared_ptr<Buffer>& recv, int64_t recv_offset, size_t recv_bytes);
  void use_for_collective(const std::vector<std::shared_ptr<Buffer>>& buffers, std::string name, const std::shared_ptr<Sharer>& by);
  void* driver_stream() const { return backend_->driver_stream(); }
  void record(Event& event);
  void wait(Event& event);
  void launch_graph(Graph& graph);

  // `pool` may be null: what the capture takes from it counts as the graph's.
  void begin_capture(std::shared_ptr<Pool> pool);
  std::shared_ptr<Recording> end_capture();
  // Drops what was recorded.
  void abandon_capture();
  bool capturing() const { return capture_ != nullptr; }
  void leave_capture();

  void set_command_block(int64_t offset, int64_t max_commands);
  // From the block that was set.
  void submit();
  void submit_at(int64_t offset);

  // Throws the stream's failure.
  bool wait_slice(double ms);
  // An event at the end of the queue.
  std::shared_ptr<Event> mark();
  // The end of the queue, also of a failed stream: objects used before it are no longer in use when it is reached.
  std::shared_ptr<Mark> retire_mark() const { return backend_->mark(); }

  void dispose();

  std::shared_ptr<Device> device;
  int32_t id;

 private:
  void require_usable() const;
  void require_not_capturing(const char* what) const;
  Capture& own_capture() const;
  // Baked into the capture, else in use on this stream.
  void use(const std::shared_ptr<Buffer>& buffer);
  void use(const std::shared_ptr<LoadedModule>& module);
  // `name`: of its node in a capture; empty for none.
  void enqueue_one(Operation operation, std::string name = {});
  void submit_block(size_t offset, size_t max_commands);

  std::shared_ptr<StreamBackend> backend_;
  std::shared_ptr<Capture> capture_;
  bool block_set_ = false;
  size_t block_offset_ = 0;
  size_t block_max_commands_ = 0;
  // Reused from submit to submit.
  std::vector<Operation> operations_;
  std::vector<CommandTarget> targets_;
};

}  // namespace lockstep
