#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/condition-variable.h"
#include "core/device.h"
#include "nccl-line.h"

namespace lockstep {

// Part of a buffer.
struct BufferRange {
  std::shared_ptr<Buffer> buffer;
  int64_t offset;
  size_t bytes;
};

// A rank's side of a group whose ranks have a card each: a communicator for each of its first streams, in the order in which the streams
// come to use the group. A thread of its own watches what is under way; at its deadline, or when the library reports an error, it ends
// the group: it aborts all communicators at once, each on a thread, and fails the device. An abort may wait until no graph holds work
// of its communicator, and graphs are the device's thread's to destroy.
class NcclGroup final : public Sharer, public std::enable_shared_from_this<NcclGroup> {
 public:
  // An id for each stream; `timeout_ms` is the longest that a collective takes from when it is enqueued.
  NcclGroup(Device& device, const NcclLibrary& library, const std::vector<NcclUniqueId>& ids, int rank, int size, double timeout_ms);
  ~NcclGroup() override;

  // Enqueues a collective, or records it in a capture; it is not on the stream before settled(). The first on a stream makes its
  // communicator join, and runs each kind once. Throws ERR_DEVICE_CAPTURE for a stream whose first is in a capture, ERR_INPUT_INVALID for
  // one stream too many or other counts than the kind has, ERR_LAUNCH_BOUNDS where they do not fit the ranges, why the group ended.
  void begin(const std::shared_ptr<Stream>& stream, CollectiveKind kind, const BufferRange& send, const BufferRange& recv,
             std::vector<size_t> counts);
  // Waits at most `ms` milliseconds. Throws what the library reports, which ends the group, and why it ended.
  bool settled(double ms);
  // Ends the group. The first reason counts. Any thread.
  void fail(const DeviceError& error);

  // Graphs that captured collectives hold one.
  std::shared_ptr<void> held() override { return held_; }
  void launched(std::shared_ptr<Mark> mark) override;
  void closing() override;
  // Destroys graphs that hold its collectives.
  void leave() override;
  void release() override;
  // Gives the communicators back once no graph and no stream uses them; waits at most `ms` milliseconds.
  bool released(double ms);
  // Leaves them to themselves: the device is lost.
  void give_up();

  const std::shared_ptr<Device> device;

 private:
  struct Line {
    std::shared_ptr<NcclLine> line;
    int32_t stream = 0;
    // A thread ends it.
    bool ending = false;
  };
  struct Watched {
    std::shared_ptr<Mark> mark;
    std::chrono::steady_clock::time_point deadline;
  };

  Line& line_of(Stream& stream);
  void warm_up(NcclLine& line);
  void throw_if_failed();
  void check_counts(CollectiveKind kind, const BufferRange& send, const BufferRange& recv, const std::vector<size_t>& counts) const;
  // Whether all that is watched is done.
  bool idle();
  void watch();
  void look();
  void end_lines(bool abort);
  // With the mutex held. Where the process can have no thread, the watcher tries again.
  void begin_ends();
  void stop();
  bool all_ended() const;

  const std::shared_ptr<GpuDevice> gpu_;
  const int rank_;
  const int size_;
  const double timeout_ms_;
  std::vector<Line> lines_;
  // The collective that begin() made last, until it is settled.
  Line* current_ = nullptr;
  std::shared_ptr<Stream> stream_;
  // For the first of each kind. Null once the communicators have ended or were given up.
  std::shared_ptr<Buffer> scratch_;
  std::shared_ptr<void> held_ = std::make_shared<int>(0);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Watched> watched_;
  std::optional<DeviceError> failure_;
  bool ending_ = false;
  bool aborting_ = false;
  // There are communicators whose end has no thread yet.
  bool unbegun_ = false;
  bool stopping_ = false;
  std::thread watcher_;
};

}  // namespace lockstep
