#pragma once

#include <thread>
#include <vector>

#include "host-captures.h"
#include "host-sync.h"

namespace lockstep {

struct HostGraph final : HostResource<GraphBackend> {
  using HostResource::HostResource;
  std::vector<Operation> operations;
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

// One thread with an in-order queue. A capture turns the queue into a list: operations of all streams that joined it,
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
  void close() override;

 private:
  void record(Operation* operations, size_t count);
  void reserve(size_t count);
  void run();
  void execute(const Operation& operation, uint64_t index);
  void wait_for(const HostMark& mark, uint64_t index);
  void launch(const Launch& launch, uint64_t index);
  void fail_disposed(uint64_t index);

  const std::shared_ptr<HostSync> sync_;
  const std::shared_ptr<HostProgress> progress_;
  const std::shared_ptr<HostCaptures> captures_;
  // Of the stream that began the capture, and of those that joined.
  std::shared_ptr<HostRecording> recording_;
  // Marks made so far, the least recently used first. One that nobody else holds any more is used again.
  std::vector<std::shared_ptr<HostMark>> marks_;
  size_t next_mark_ = 0;
  // Commands given so far: of the JS thread alone.
  uint64_t enqueued_ = 0;

  std::mutex mutex_;
  std::condition_variable ready_;
  // A ring, of a power of two; slots keep the capacity of their vectors.
  std::vector<Operation> ring_;
  size_t head_ = 0;
  size_t size_ = 0;

  std::atomic<int32_t> stop_{0};
  std::thread thread_;
};

}  // namespace lockstep
