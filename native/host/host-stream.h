#pragma once

#include <thread>
#include <vector>

#include "host-sync.h"

namespace lockstep {

struct HostGraph final : GraphBackend {
  std::vector<Operation> operations;
};

// One thread with an in-order queue. A capture turns the queue into a list: operations of all streams that joined it,
// in the order they were given, which is one of the orders their events allow.
class HostStream final : public StreamBackend {
 public:
  explicit HostStream(std::shared_ptr<HostSync> sync);
  ~HostStream() override;

  void enqueue(Operation* operations, size_t count) override;
  WaitResult wait(double ms) override;
  std::shared_ptr<const Failure> failure() const override;
  void begin_capture() override;
  void join_capture(StreamBackend& origin) override;
  void leave_capture() override;
  std::unique_ptr<GraphBackend> end_capture() override;
  void close() override;

 private:
  struct Command {
    Operation operation;
    // Of a wait: how far which stream must be.
    std::shared_ptr<const HostProgress> until;
    uint64_t target = 0;
  };

  void record(Operation* operations, size_t count);
  void reserve(size_t count);
  void run();
  void execute(const Command& command, uint64_t index);
  void execute(const Operation& operation, uint64_t index);
  void launch(const Launch& launch, uint64_t index);
  void fail_disposed(uint64_t index);

  const std::shared_ptr<HostSync> sync_;
  const std::shared_ptr<HostProgress> progress_;
  std::shared_ptr<HostGraph> recording_;
  // Commands given so far: of the JS thread alone.
  uint64_t enqueued_ = 0;

  std::mutex mutex_;
  std::condition_variable ready_;
  // A ring, of a power of two; slots keep the capacity of their vectors.
  std::vector<Command> ring_;
  size_t head_ = 0;
  size_t size_ = 0;

  std::atomic<int32_t> stop_{0};
  std::thread thread_;
};

}  // namespace lockstep
