#include "host-stream.h"

#include <pthread.h>
#include <signal.h>

#include <cstring>
#include <system_error>
#include <utility>

namespace lockstep {

namespace {

constexpr size_t first_ring_size = 64;

void copy_spans(const Operation& operation) {
  for (const Span& span : operation.spans) {
    std::memcpy(operation.to + span.offset, operation.from + span.offset, span.bytes);
  }
}

size_t held_bytes(const Operation& operation) {
  size_t bytes = sizeof(Operation);
  if (operation.kind == Operation::Kind::upload) bytes += operation.bytes;
  if (operation.launch != nullptr) {
    bytes += sizeof(Launch) + operation.launch->values.size() * sizeof(lockstep_value) +
             operation.launch->holds.size() * sizeof(std::shared_ptr<Memory>);
  }
  return bytes;
}

}  // namespace

HostStream::HostStream(std::shared_ptr<HostSync> sync)
    : sync_(sync), progress_(std::make_shared<HostProgress>(std::move(sync))), ring_(first_ring_size) {
  // Signals are the main thread's: a stream thread inherits a full mask.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw DeviceError("ERR_DEVICE_MEMORY",
                      std::string("No thread for another stream: ") + error.what() + ". Dispose streams.");
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HostStream::~HostStream() { close(); }

void HostStream::close() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(1);
  }
  ready_.notify_all();
  sync_->announce();
  thread_.join();
  if (size_ > 0) fail_disposed(progress_->executed.load());
  for (auto& command : ring_) {
    command.operation.clear();
    command.until.reset();
  }
  size_ = 0;
  progress_->executed.store(enqueued_);
  sync_->announce();
}

void HostStream::reserve(size_t count) {
  size_t capacity = ring_.size();
  while (capacity - size_ < count) capacity *= 2;
  if (capacity == ring_.size()) return;
  std::vector<Command> larger(capacity);
  for (size_t i = 0; i < size_; i++) std::swap(larger[i], ring_[(head_ + i) & (ring_.size() - 1)]);
  ring_.swap(larger);
  head_ = 0;
}

void HostStream::enqueue(Operation* operations, size_t count) {
  if (recording_ != nullptr) return record(operations, count);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reserve(count);
    for (size_t i = 0; i < count; i++) {
      Operation& operation = operations[i];
      if (operation.kind == Operation::Kind::record) {
        auto& event = static_cast<HostEvent&>(*operation.event);
        event.progress = progress_;
        event.target = enqueued_;
        operation.clear();
        continue;
      }
      Command& slot = ring_[(head_ + size_) & (ring_.size() - 1)];
      if (operation.kind == Operation::Kind::wait) {
        const auto& event = static_cast<const HostEvent&>(*operation.event);
        slot.until = event.progress;
        slot.target = event.target;
      }
      std::swap(slot.operation, operation);
      size_++;
      enqueued_++;
    }
  }
  ready_.notify_one();
}

void HostStream::record(Operation* operations, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const auto kind = operations[i].kind;
    if (kind == Operation::Kind::record || kind == Operation::Kind::wait) continue;
    recording_->bytes += held_bytes(operations[i]);
    recording_->operations.push_back(std::move(operations[i]));
    recording_->nodes++;
  }
}

WaitResult HostStream::wait(double ms) { return progress_->wait(enqueued_, ms); }

std::shared_ptr<const Failure> HostStream::failure() const { return progress_->failure_before(HostProgress::never); }

void HostStream::begin_capture() {
  recording_ = std::make_shared<HostGraph>();
  recording_->bytes = sizeof(HostGraph);
}

void HostStream::join_capture(StreamBackend& origin) { recording_ = static_cast<HostStream&>(origin).recording_; }

void HostStream::leave_capture() { recording_.reset(); }

std::unique_ptr<GraphBackend> HostStream::end_capture() {
  auto graph = std::make_unique<HostGraph>();
  graph->nodes = recording_->nodes;
  graph->bytes = recording_->bytes;
  graph->operations = std::move(recording_->operations);
  recording_.reset();
  return graph;
}

void HostStream::run() {
  pthread_setname_np(pthread_self(), "lockstep-stream");
  Command running;
  for (uint64_t index = 0;; index++) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      ready_.wait(lock, [&] { return stop_.load() != 0 || size_ > 0; });
      if (stop_.load() != 0) return;
      std::swap(running, ring_[head_]);
      head_ = (head_ + 1) & (ring_.size() - 1);
      size_--;
    }
    if (!progress_->failed()) execute(running, index);
    // Memory goes before anybody learns that the command is through, so that accounts are exact by then.
    running.operation.clear();
    running.until.reset();
    progress_->executed.store(index + 1);
    sync_->announce();
  }
}

void HostStream::execute(const Command& command, uint64_t index) {
  if (command.operation.kind != Operation::Kind::wait) return execute(command.operation, index);
  if (command.until == nullptr) return;
  const HostProgress& other = *command.until;
  sync_->wait([&] {
    return stop_.load() != 0 || other.executed.load() >= command.target || other.failed_at.load() < command.target;
  });
  if (auto failure = other.failure_before(command.target)) return progress_->fail(index, std::move(failure));
  if (other.executed.load() < command.target) fail_disposed(index);
}

void HostStream::execute(const Operation& operation, uint64_t index) {
  switch (operation.kind) {
    case Operation::Kind::upload:
    case Operation::Kind::download:
      if (operation.bytes > 0) std::memcpy(operation.to, operation.from, operation.bytes);
      return;
    case Operation::Kind::upload_spans:
      return copy_spans(operation);
    case Operation::Kind::launch:
      return launch(*operation.launch, index);
    case Operation::Kind::graph:
      for (const Operation& node : static_cast<const HostGraph&>(*operation.graph).operations) {
        if (stop_.load() != 0) return fail_disposed(index);
        execute(node, index);
        if (progress_->failed()) return;
      }
      return;
    case Operation::Kind::none:
    case Operation::Kind::record:
    case Operation::Kind::wait:
      return;
  }
}

void HostStream::launch(const Launch& launch, uint64_t index) {
  lockstep_error error = {};
  error.stop = reinterpret_cast<const volatile int32_t*>(&stop_);
  bool failed = true;
  try {
    failed = launch.kernel->run(launch.values.data(), &error) != 0;
  } catch (...) {
    std::strncpy(error.message, "it threw a C++ exception", sizeof(error.message) - 1);
  }
  if (!failed) return;
  // A kernel that saw `stop` and gave up did not fail.
  if (stop_.load() != 0) return fail_disposed(index);
  error.message[sizeof(error.message) - 1] = '\0';
  const std::string kernel = launch.kernel->name;
  const std::string report = error.message;
  progress_->fail(index, std::make_shared<Failure>(Failure{DeviceError(
                             "ERR_DEVICE_KERNEL",
                             "Kernel " + kernel + " failed: " + report +
                                 ". What came after it on its stream was skipped; dispose the stream.",
                             {{"kernel", kernel}, {"report", report}})}));
}

void HostStream::fail_disposed(uint64_t index) {
  progress_->fail(index, std::make_shared<Failure>(Failure{DeviceError(
                             "ERR_DISPOSED", "A stream was disposed before its work was done; synchronize it first.",
                             {{"object", std::string("stream")}})}));
}

}  // namespace lockstep
