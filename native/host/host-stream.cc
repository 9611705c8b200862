#include "host-stream.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <system_error>
#include <utility>

#include "core/start-thread.h"
#include "host-memory.h"

namespace lockstep {

namespace {

constexpr size_t first_ring_size = 64;
// A thread that waits runs no command that touches more. At 1 GB/s, less than memory bandwidth, it takes a third of the
// 50 ms that a native wait may last.
constexpr size_t short_bytes = size_t{16} << 20;
// How often the thread of a helped stream checks its queue, and how many times without finding work before it sleeps.
constexpr std::chrono::microseconds look_every(200);
constexpr int looks_in_vain = 50;

bool is_main_thread() { return syscall(SYS_gettid) == getpid(); }

size_t touched_bytes(const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::launch:
      return operation.launch->touched;
    case Operation::Kind::graph:
      return static_cast<const HostGraph&>(*operation.graph).touched;
    default:
      return operation.bytes;
  }
}

size_t held_bytes(const Operation& operation) {
  size_t bytes = sizeof(Operation);
  if (operation.kind == Operation::Kind::upload) bytes += operation.bytes;
  if (operation.launch != nullptr) {
    bytes += sizeof(Launch) + operation.launch->values.size() * sizeof(LaunchValue);
  }
  return bytes;
}

// The edits were checked at the submit, the ends of both tables included.
void edit_table(const Operation& operation) {
  auto* const table = static_cast<std::byte*>(pointer_of(operation.device));
  for (const RowEdit& edit : operation.edits) {
    const size_t begin = (size_t{operation.pitch} * static_cast<size_t>(edit.row) + static_cast<size_t>(edit.begin)) * 4;
    std::memcpy(table + begin, operation.host + begin, static_cast<size_t>(edit.end - edit.begin) * 4);
  }
}

}  // namespace

std::unique_ptr<GraphBackend> HostRecording::instantiate() {
  captures->require_none("Instantiating a graph");
  auto graph = std::make_unique<HostGraph>(captures);
  graph->nodes = nodes;
  graph->bytes = bytes;
  graph->operations = std::move(operations);
  for (const Operation& operation : graph->operations) {
    const size_t more = touched_bytes(operation);
    graph->touched = more > SIZE_MAX - graph->touched ? SIZE_MAX : graph->touched + more;
  }
  return graph;
}

HostStream::HostStream(std::shared_ptr<HostSync> sync, std::shared_ptr<HostCaptures> captures)
    : sync_(sync),
      progress_(std::make_shared<HostProgress>(std::move(sync))),
      captures_(std::move(captures)),
      ring_(first_ring_size),
      helped_(!is_main_thread()) {
  progress_->stream = this;
  try {
    thread_ = start_thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw DeviceError("ERR_DEVICE_MEMORY",
                      std::string("No thread for another stream: ") + error.what() + ". Dispose streams.");
  }
}

HostStream::~HostStream() { close(0); }

// Kernels run in this process, so there is no leaving them behind: waits for the running one, however long it takes.
bool HostStream::close(double) {
  if (!thread_.joinable()) return true;
  progress_->stream = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(1);
  }
  ready_.notify_all();
  sync_->announce();
  thread_.join();
  if (size_ > 0) fail_disposed(progress_->executed.load());
  for (auto& operation : ring_) operation.clear();
  size_ = 0;
  progress_->executed.store(enqueued_);
  sync_->announce();
  return true;
}

void HostStream::reserve(size_t count) {
  size_t capacity = ring_.size();
  while (capacity - size_ < count) capacity *= 2;
  if (capacity == ring_.size()) return;
  std::vector<Operation> larger(capacity);
  for (size_t i = 0; i < size_; i++) std::swap(larger[i], ring_[(head_ + i) & (ring_.size() - 1)]);
  ring_.swap(larger);
  head_ = 0;
}

void HostStream::enqueue(Operation* operations, size_t count) {
  if (recording_ != nullptr) return record(operations, count);
  bool wake = !helped_;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    reserve(count);
    for (size_t i = 0; i < count; i++) {
      Operation& operation = operations[i];
      if (operation.kind == Operation::Kind::record) {
        operation.mark = mark();
        continue;
      }
      std::swap(ring_[(head_ + size_) & (ring_.size() - 1)], operation);
      size_++;
      enqueued_++;
    }
    wake = wake || asleep_;
    asleep_ = false;
  }
  if (wake) ready_.notify_one();
}

std::shared_ptr<Mark> HostStream::mark() {
  if (marks_.empty() || marks_[next_mark_].use_count() > 1) {
    marks_.insert(marks_.begin() + static_cast<std::ptrdiff_t>(next_mark_), std::make_shared<HostMark>());
    marks_[next_mark_]->progress = progress_;
  }
  // use_count() is a relaxed load: another thread may have released the last reference.
  std::atomic_thread_fence(std::memory_order_acquire);
  const auto& mark = marks_[next_mark_];
  next_mark_ = (next_mark_ + 1) % marks_.size();
  mark->target = enqueued_;
  return mark;
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

WaitResult HostStream::wait(double ms) {
  HostMark end;
  end.progress = progress_;
  end.target = enqueued_;
  return end.wait(ms);
}

std::shared_ptr<const Failure> HostStream::failure() const { return progress_->failure_before(HostProgress::never); }

void HostStream::begin_capture() {
  recording_ = std::make_shared<HostRecording>(captures_);
  recording_->bytes = sizeof(HostGraph);
  captures_->begin();
}

void HostStream::join_capture(StreamBackend& origin) { recording_ = static_cast<HostStream&>(origin).recording_; }

void HostStream::leave_capture() { recording_.reset(); }

std::unique_ptr<RecordingBackend> HostStream::end_capture() {
  captures_->end();
  const auto shared = std::move(recording_);
  if (shared->violations != captures_->violations()) {
    throw DeviceError("ERR_DEVICE_CAPTURE",
                      "The capture is lost: something was allocated or freed in it. Do so before it begins or after its end.");
  }
  // Streams that joined leave it only afterwards.
  return std::make_unique<HostRecording>(std::move(*shared));
}

void HostStream::abandon_capture() {
  captures_->end();
  recording_.reset();
}

void HostStream::run() {
  pthread_setname_np(pthread_self(), "lockstep-stream");
  std::unique_lock<std::mutex> lock(mutex_);
  while (next(lock)) run_head(lock);
}

bool HostStream::next(std::unique_lock<std::mutex>& lock) {
  const auto ready = [&] { return stop_.load() != 0 || (size_ > 0 && !running_ && (!helped_ || hurried_)); };
  if (!helped_) {
    ready_.wait(lock, ready);
    return stop_.load() == 0;
  }
  uint64_t through = progress_->executed.load();
  bool waiting = false;
  int in_vain = 0;
  while (!ready()) {
    const uint64_t before = std::exchange(through, progress_->executed.load());
    const bool waited = std::exchange(waiting, size_ > 0 && !running_);
    // The command was there at two checks in a row: no thread is helping.
    if (waiting && waited && through == before) break;
    in_vain = waiting || running_ || through != before ? 0 : in_vain + 1;
    if (in_vain < looks_in_vain) {
      ready_.wait_for(lock, look_every);
    } else {
      asleep_ = true;
      ready_.wait(lock, [&] { return stop_.load() != 0 || !asleep_; });
      in_vain = 0;
    }
  }
  return stop_.load() == 0;
}

void HostStream::run_head(std::unique_lock<std::mutex>& lock) {
  Operation running;
  std::swap(running, ring_[head_]);
  head_ = (head_ + 1) & (ring_.size() - 1);
  size_--;
  running_ = true;
  lock.unlock();
  const uint64_t index = progress_->executed.load();
  if (!progress_->failed()) execute(running, index);
  progress_->executed.store(index + 1);
  sync_->announce();
  lock.lock();
  running_ = false;
  if (size_ == 0) hurried_ = false;
}

bool HostStream::is_short(const Operation& operation) const {
  if (operation.kind != Operation::Kind::wait) return touched_bytes(operation) <= short_bytes;
  const auto& mark = static_cast<const HostMark&>(*operation.mark);
  return mark.progress->executed.load() >= mark.target || mark.progress->failed_at.load() < mark.target;
}

void HostStream::help(uint64_t target, std::chrono::steady_clock::time_point end) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (progress_->executed.load() < target && !progress_->failed() && std::chrono::steady_clock::now() < end) {
    if (running_ || size_ == 0) break;
    if (!is_short(ring_[head_])) {
      if (ring_[head_].kind != Operation::Kind::wait) break;
      const auto mark = std::static_pointer_cast<HostMark>(ring_[head_].mark);
      lock.unlock();
      wait_here(*mark, end);
      lock.lock();
      if (running_ || size_ == 0 || is_short(ring_[head_])) continue;
      break;
    }
    run_head(lock);
  }
  if (progress_->executed.load() >= target) return;
  lock.unlock();
  hurry();
}

void HostStream::wait_here(const HostMark& mark, std::chrono::steady_clock::time_point end) {
  // A stream of this thread is run first; only its thread may look at it.
  if (mark.progress->user == std::this_thread::get_id()) {
    HostStream* const other = mark.progress->stream;
    if (other != nullptr && other->may_help()) other->help(mark.target, end);
    return;
  }
  const std::chrono::duration<double, std::milli> left = end - std::chrono::steady_clock::now();
  mark.progress->wait(mark.target, left.count());
}

void HostStream::hurry() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (size_ == 0) return;
    hurried_ = true;
    asleep_ = false;
  }
  ready_.notify_one();
}

WaitResult HostMark::wait(double ms) {
  if (ms > 0) help(ms);
  return progress->wait(target, ms);
}

void HostMark::help(double ms) {
  // Only the thread that uses the stream may access it, and the progress's word says whether this is that thread: compare first.
  if (progress->user != std::this_thread::get_id() || progress->stream == nullptr || !progress->stream->may_help()) return;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(ms);
  progress->stream->help(target, std::chrono::time_point_cast<std::chrono::nanoseconds>(end));
}

void HostMark::expect() {
  if (progress->stream != nullptr) progress->stream->hurry();
}

void HostStream::wait_for(const HostMark& mark, uint64_t index) {
  const HostProgress& other = *mark.progress;
  const auto reached = [&] { return other.executed.load() >= mark.target || other.failed_at.load() < mark.target; };
  sync_->wait([&] { return stop_.load() != 0 || reached(); });
  if (auto failure = other.failure_before(mark.target)) return progress_->fail(index, std::move(failure));
  if (!reached()) fail_disposed(index);
}

void HostStream::execute(const Operation& operation, uint64_t index) {
  switch (operation.kind) {
    case Operation::Kind::upload:
      if (operation.bytes > 0) std::memcpy(pointer_of(operation.device), operation.host, operation.bytes);
      return;
    case Operation::Kind::download:
      if (operation.bytes > 0) std::memcpy(operation.host, pointer_of(operation.device), operation.bytes);
      return;
    case Operation::Kind::copy:
      if (operation.bytes > 0) std::memmove(pointer_of(operation.device), pointer_of(operation.source), operation.bytes);
      return;
    case Operation::Kind::edit_table:
      return edit_table(operation);
    case Operation::Kind::launch:
      return launch(*operation.launch, index);
    case Operation::Kind::graph:
      for (const Operation& node : static_cast<const HostGraph&>(*operation.graph).operations) {
        if (stop_.load() != 0) return fail_disposed(index);
        execute(node, index);
        if (progress_->failed()) return;
      }
      return;
    case Operation::Kind::wait:
      return wait_for(static_cast<const HostMark&>(*operation.mark), index);
    case Operation::Kind::none:
    case Operation::Kind::record:
      return;
  }
}

void HostStream::launch(const Launch& launch, uint64_t index) {
  lockstep_error error = {};
  error.stop = reinterpret_cast<const volatile int32_t*>(&stop_);
  bool failed = true;
  try {
    lockstep_value values[LOCKSTEP_MAX_ARGUMENTS];
    for (size_t i = 0; i < launch.values.size(); i++) {
      const LaunchValue& value = launch.values[i];
      values[i] = {pointer_of(value.address), value.bytes, value.scalar};
    }
    failed = launch.kernel->run(values, &error) != 0;
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
