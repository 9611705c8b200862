#include "nccl-group.h"

#include <algorithm>
#include <system_error>

#include "core/graph.h"
#include "core/start-thread.h"
#include "core/stream.h"
#include "gpu/poll.h"

namespace lockstep {

namespace {

// How often what is under way is looked at.
constexpr std::chrono::milliseconds look_every(20);
// The longest that a native call waits.
constexpr double slice_ms = 50;
// How long collectives may go on when their stream is disposed, before peers count as gone.
constexpr double closing_ms = 2000;
// How long communicators may take to end.
constexpr double ending_ms = 5000;

const char* const names[COLLECTIVE_KINDS] = {"all-gather", "reduce-scatter", "all-reduce", "all-to-all"};

}  // namespace

NcclGroup::NcclGroup(Device& owner, const NcclLibrary& library, const std::vector<NcclUniqueId>& ids, int rank, int size, double timeout_ms)
    : device(owner.shared_from_this()), gpu_(owner.gpu()), rank_(rank), size_(size), timeout_ms_(timeout_ms) {
  if (gpu_ == nullptr) throw DeviceError("ERR_INPUT_INVALID", "This device is no GPU; NCCL and RCCL serve GPUs alone.");
  for (const NcclUniqueId& id : ids) lines_.push_back({std::make_shared<NcclLine>(library, gpu_, id, rank, size)});
  scratch_ = owner.allocate(static_cast<size_t>(size) * 8);
  owner.sharers.push_back(this);
  try {
    watcher_ = start_thread([this] { watch(); });
  } catch (const std::system_error& error) {
    owner.sharers.pop_back();
    throw DeviceError("ERR_DEVICE_MEMORY",
                      std::string("No thread to watch a group's collectives: ") + error.what() + ". Dispose streams and other groups.");
  }
}

NcclGroup::~NcclGroup() {
  release();
  auto& sharers = device->sharers;
  sharers.erase(std::remove(sharers.begin(), sharers.end(), this), sharers.end());
}

void NcclGroup::throw_if_failed() {
  device->require_open();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failure_.has_value()) throw DeviceError(*failure_);
  if (ending_) throw DeviceError("ERR_DISPOSED", "This rank has left its group of collectives.", {{"object", std::string("group")}});
}

NcclGroup::Line& NcclGroup::line_of(Stream& stream) {
  Line* free = nullptr;
  for (Line& line : lines_) {
    if (line.stream == stream.id) return line;
    if (line.stream == 0 && free == nullptr) free = &line;
  }
  if (stream.capturing()) {
    throw DeviceError("ERR_DEVICE_CAPTURE",
                      "Stream " + std::to_string(stream.id) + " captures its first collective. What a library allocates for it would end the capture: "
                      "run the forward once before.",
                      {{"stream", stream.id}});
  }
  if (free == nullptr) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "Stream " + std::to_string(stream.id) + " is one more than the " + std::to_string(lines_.size()) +
                          " that may enqueue collectives; use those that do.",
                      {{"stream", stream.id}, {"streams", lines_.size()}});
  }
  free->line->join(stream.driver_stream());
  free->stream = stream.id;
  warm_up(*free->line);
  return *free;
}

// Connections and memory are made by a kind's first call.
void NcclGroup::warm_up(NcclLine& line) {
  const auto ranks = static_cast<size_t>(size_);
  const DeviceAddress send = scratch_->memory->address;
  const DeviceAddress recv = send + ranks * 4;
  const std::vector<size_t> each(ranks, 1);
  std::vector<size_t> first(ranks, 0);
  first[0] = 1;
  line.add({CollectiveKind::all_gather, send, recv, each});
  line.add({CollectiveKind::reduce_scatter, send, recv, each});
  line.add({CollectiveKind::all_reduce, send, recv, {1}});
  line.add({CollectiveKind::all_to_all, send, recv, {1}});
  if (ranks < 2) return;
  line.add({CollectiveKind::all_gather, send, recv, first});
  line.add({CollectiveKind::reduce_scatter, send, recv, first});
}

void NcclGroup::check_counts(CollectiveKind kind, const BufferRange& send, const BufferRange& recv,
                             const std::vector<size_t>& counts) const {
  const auto ranks = static_cast<size_t>(size_);
  const bool per_rank = kind == CollectiveKind::all_gather || kind == CollectiveKind::reduce_scatter;
  const size_t expected = per_rank ? ranks : 1;
  if (counts.size() != expected) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "Collective " + std::string(names[static_cast<size_t>(kind)]) + " of " + std::to_string(size_) + " ranks has " +
                          std::to_string(counts.size()) + " counts; give " + (per_rank ? "one of each rank." : "one."),
                      {{"expected", expected}, {"actual", counts.size()}});
  }
  // Each count is held against what is left, so that no sum overflows.
  const auto require = [&](const BufferRange& range, const char* what, size_t first, size_t end, size_t times) {
    size_t left = range.bytes / 4;
    for (size_t i = first; i < end; i++) {
      if (counts[i] <= left / times) {
        left -= counts[i] * times;
        continue;
      }
      throw DeviceError("ERR_LAUNCH_BOUNDS",
                        "The counts of " + std::string(names[static_cast<size_t>(kind)]) + " go past the end of `" + what + "`, which has " +
                            std::to_string(range.bytes) + " bytes; an element has 4.",
                        {{"argument", std::string(what)}, {"actual", range.bytes}});
    }
  };
  const auto own = static_cast<size_t>(rank_);
  const size_t times = kind == CollectiveKind::all_to_all ? ranks : 1;
  if (kind == CollectiveKind::all_gather) require(send, "send", own, own + 1, 1);
  else require(send, "send", 0, counts.size(), times);
  if (kind == CollectiveKind::reduce_scatter) require(recv, "recv", own, own + 1, 1);
  else require(recv, "recv", 0, counts.size(), times);
}

void NcclGroup::begin(const std::shared_ptr<Stream>& stream, CollectiveKind kind, const BufferRange& send, const BufferRange& recv,
                      std::vector<size_t> counts) {
  throw_if_failed();
  if (current_ != nullptr) throw DeviceError("ERR_STEP_ORDER", "The last collective of this group is not on its stream yet.");
  check_counts(kind, send, recv, counts);
  const CollectivePlaces places = stream->collective_places(send.buffer, send.offset, send.bytes, recv.buffer, recv.offset, recv.bytes);
  try {
    Line& line = line_of(*stream);
    scratch_->uses.add(stream->id);
    stream->use_for_collective({send.buffer, recv.buffer}, names[static_cast<size_t>(kind)], shared_from_this());
    line.line->add({kind, places.send, places.recv, std::move(counts)});
    current_ = &line;
    stream_ = stream;
  } catch (const DeviceError& error) {
    if (error.code != "ERR_DEVICE_CAPTURE" && error.code != "ERR_INPUT_INVALID") fail(error);
    throw;
  }
}

bool NcclGroup::settled(double ms) {
  throw_if_failed();
  if (current_ == nullptr) {
    // A wait that ends when a collective is due asks before the watcher has looked.
    look();
    throw_if_failed();
    return true;
  }
  try {
    if (!current_->line->settled(ms)) return false;
  } catch (const DeviceError& error) {
    fail(error);
    throw;
  }
  current_ = nullptr;
  const auto stream = std::move(stream_);
  throw_if_failed();
  // What the library enqueued is behind the last mark.
  static_cast<void>(stream->driver_stream());
  if (!stream->capturing()) launched(stream->retire_mark());
  return true;
}

void NcclGroup::launched(std::shared_ptr<Mark> mark) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double, std::milli>(timeout_ms_));
  const std::lock_guard<std::mutex> lock(mutex_);
  watched_.push_back({std::move(mark), deadline});
  if (watched_.size() == 1) changed_.notify_all();
}

bool NcclGroup::idle() {
  for (;;) {
    std::shared_ptr<Mark> mark;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (watched_.empty()) return true;
      mark = watched_.front().mark;
    }
    if (!mark->wait(0).done) return false;
    const std::lock_guard<std::mutex> lock(mutex_);
    if (!watched_.empty() && watched_.front().mark == mark) watched_.pop_front();
  }
}

void NcclGroup::watch() {
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || unbegun_ || (!watched_.empty() && !ending_); });
      if (stopping_) return;
      if (unbegun_) {
        changed_.wait_for(lock, look_every, [&] { return stopping_; });
        if (stopping_) return;
        begin_ends();
        continue;
      }
      // Most collectives end before the first look.
      if (!watched_.empty()) changed_.wait_until(lock, std::min(std::chrono::steady_clock::now() + look_every, watched_.front().deadline), [&] { return stopping_; });
      if (stopping_) return;
    }
    look();
  }
}

void NcclGroup::look() {
  if (idle()) return;
  for (Line& line : lines_) {
    if (const auto error = line.line->failure()) return fail(*error);
  }
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_ || watched_.empty() || std::chrono::steady_clock::now() < watched_.front().deadline) return;
  }
  fail(DeviceError("ERR_COLLECTIVE_TIMEOUT",
                   "A collective between the ranks' GPUs was not done after " + std::to_string(static_cast<int64_t>(timeout_ms_)) +
                       " ms. Check what the other ranks are doing, or raise timeoutMs if a step may take that long.",
                   {{"timeoutMs", timeout_ms_}}));
}

void NcclGroup::fail(const DeviceError& error) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) return;
    ending_ = true;
    failure_ = error;
  }
  // What waits for the device gets this error once the communicators let its work end.
  gpu_->fail(error);
  end_lines(true);
}

void NcclGroup::end_lines(bool abort) {
  const std::lock_guard<std::mutex> lock(mutex_);
  aborting_ = abort;
  begin_ends();
  if (unbegun_) changed_.notify_all();
}

void NcclGroup::begin_ends() {
  unbegun_ = false;
  // All at once: one communicator's end may wait for work that waits for another's.
  for (Line& line : lines_) {
    if (line.ending) continue;
    try {
      start_thread([line = line.line, abort = aborting_] { line->end(abort); }).detach();
      line.ending = true;
    } catch (const std::exception&) {
      unbegun_ = true;
    }
  }
}

bool NcclGroup::all_ended() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const Line& line) { return line.line->ended(); });
}

void NcclGroup::closing() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) return;
  }
  if (poll(closing_ms, [&] { return idle(); })) return;
  fail(DeviceError("ERR_RANK_LOST", "This rank ended while its peers had not come to a collective of their GPUs."));
}

void NcclGroup::leave() {
  // A graph may hold the last reference; null in the destructor.
  const auto self = weak_from_this().lock();
  closing();
  const auto recordings = device->recordings;
  for (Recording* const recording : recordings) {
    if (recording->baked.holds(*this)) recording->dispose();
  }
  const auto all = device->graphs;
  for (const auto& [id, graph] : all) {
    if (graph->baked.holds(*this)) graph->release();
  }
}

bool NcclGroup::released(double ms) {
  if (scratch_ == nullptr) return true;
  const bool done = poll(std::min(ms, slice_ms), [&] {
    device->empty_retired();
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (ending_) return all_ended();
    }
    if (held_.use_count() > 1 || !idle()) return false;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ending_ = true;
    }
    end_lines(false);
    return all_ended();
  });
  if (done) stop();
  return done;
}

void NcclGroup::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  watched_.clear();
  scratch_.reset();
}

void NcclGroup::give_up() {
  for (const Line& line : lines_) {
    if (line.stream != 0 && !line.line->ended()) gpu_->give_up(Held::communicators);
  }
  gpu_->lose(DeviceError("ERR_DEVICE_LOST", "Communicators between GPUs did not end in time, and their work may still run. The device is lost to this "
                                            "process; start it again."));
  stop();
}

void NcclGroup::release() {
  if (scratch_ == nullptr) return;
  leave();
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(ending_ms);
  bool done = released(0);
  while (!done && std::chrono::steady_clock::now() < end) done = released(slice_ms);
  if (!done) give_up();
}

}  // namespace lockstep
