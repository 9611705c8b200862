#pragma once

#include <chrono>
#include <thread>
#include <vector>

#include "host-captures.h"
#include "host-sync.h"

namespace lockstep {

struct HostGraph final : HostResource<GraphBackend> {
  using HostResource::HostResource;
  std::vector<Operation> operations;
  // Bytes that a replay reads and writes, at most; saturated.
  size_t touched = 0;
};

struct HostRecording final : RecordingBackend {
  explicit HostRecording(std::shared_ptr<HostCaptures> captures)
      : captures(std::move(captures)), violations(this->captures->violations()) {}
  std::unique_ptr<GraphBackend> instantiate() override;

  const std::shared_ptr<HostCaptures> captures;
  // When the capture began.
  const uint64_t violations;
  std::vector<Operation> operations;
};

// One thread with an in-order queue. Waking it costs more than most commands take, so a thread that waits for its own stream runs
// the queue itself, unless it is the process's main one, which has an event loop to look after. It runs one command at a time,
// and only commands known to be short; the stream's thread runs the others. While no thread waits, the stream's thread polls the
// queue, and runs a command that was there at two checks in a row. A capture turns the queue into a list: operations of all streams that joined it,
// in the order they were given, which is one of the orders their events allow.
class HostStream final : public StreamBackend {
 public:
  HostStream(std::shared_ptr<HostSync> sync, std::shared_ptr<HostCaptures> captures);
  ~HostStream() override;

  void enqueue(Operation* operations, size_t count) override;
  std::shared_ptr<Mark> mark() override;
  WaitResult wait(double ms) override;
  std::shared_ptr<const Failure> failure() const override;
  void begin_capture() override;
  void join_capture(StreamBackend& origin) override;
  std::unique_ptr<RecordingBackend> end_capture() override;
  void abandon_capture() override;
  void leave_capture() override;
  bool close(double) override;

  // Runs commands on this thread until `target` are done, the next must not run here, or `end` has passed.
  void help(uint64_t target, std::chrono::steady_clock::time_point end);
  // Whether the calling thread may run commands.
  bool may_help() const { return helped_ && std::this_thread::get_id() == progress_->user; }
  // Waits for a mark that the stream waits for, on this thread.
  void wait_here(const HostMark& mark, std::chrono::steady_clock::time_point end);
  // Wakes the stream's thread for what is queued.
  void hurry();

 private:
  void record(Operation* operations, size_t count);
  void reserve(size_t count);
  void run();
  // Whether the stream's thread has something to run, after it slept if need be.
  bool next(std::unique_lock<std::mutex>& lock);
  void run_head(std::unique_lock<std::mutex>& lock);
  bool is_short(const Operation& operation) const;
  void execute(const Operation& operation, uint64_t index);
  void wait_for(const HostMark& mark, uint64_t index);
  void launch(const Launch& launch, uint64_t index);
  void fail_disposed(uint64_t index);

  const std::shared_ptr<HostSync> sync_;
  const std::shared_ptr<HostProgress> progress_;
  const std::shared_ptr<HostCaptures> captures_;
  // Set for the stream that began the capture, and for those that joined.
  std::shared_ptr<HostRecording> recording_;
  // Marks made so far, the least recently used first. One without other references is reused.
  std::vector<std::shared_ptr<HostMark>> marks_;
  size_t next_mark_ = 0;
  // Commands enqueued so far; used only by the JS thread.
  uint64_t enqueued_ = 0;

  std::mutex mutex_;
  std::condition_variable ready_;
  // A ring, of a power of two; slots keep the capacity of their vectors.
  std::vector<Operation> ring_;
  size_t head_ = 0;
  size_t size_ = 0;
  // A command was taken from the ring and is not done.
  bool running_ = false;
  // The stream's thread is to run the queue at once.
  bool hurried_ = false;
  // The stream's thread sleeps until it is woken.
  bool asleep_ = false;

  const bool helped_;

  std::atomic<int32_t> stop_{0};
  std::thread thread_;
};

}  // namespace lockstep
