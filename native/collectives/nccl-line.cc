#include "nccl-line.h"

#include <algorithm>

#include "gpu/poll.h"

namespace lockstep {

namespace {

// Nobody waits in native code for longer.
constexpr double slice_ms = 50;
// How long a communicator that is given back may take to finish.
constexpr double finish_ms = 2000;

void* pointer(DeviceAddress address, size_t elements = 0) { return reinterpret_cast<void*>(address.value + elements * 4); }

bool equal(const std::vector<size_t>& counts) {
  return std::all_of(counts.begin(), counts.end(), [&](size_t count) { return count == counts.front(); });
}

// The first code that is an error; else whether anything is under way.
int worse(int one, int other) { return one == NCCL_SUCCESS || (one == NCCL_IN_PROGRESS && other != NCCL_SUCCESS) ? other : one; }

}  // namespace

NcclLine::NcclLine(const NcclLibrary& library, std::shared_ptr<GpuDevice> device, const NcclUniqueId& id, int rank, int size)
    : library_(library), device_(std::move(device)), id_(id), rank_(rank), size_(size) {}

void NcclLine::check(const char* function, int code) {
  if (code == NCCL_SUCCESS || code == NCCL_IN_PROGRESS) return;
  throw nccl_error(library_, function, code, handle_);
}

void NcclLine::join(void* stream) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The group ended meanwhile: its next call throws why.
  if (ending_) return;
  const Current current(*device_);
  NcclConfig config;
  config.version = std::min(config.version, static_cast<unsigned>(library_.version));
  config.blocking = 0;
  stream_ = stream;
  under_way_ = "ncclCommInitRankConfig";
  check(under_way_, library_.table.init(&handle_, size_, id_, rank_, &config));
}

bool NcclLine::settled(double ms) {
  return poll(std::min(ms, slice_ms), [&] { return advance(); });
}

bool NcclLine::advance() {
  const std::lock_guard<std::mutex> lock(mutex_);
  // Whoever ends it says why.
  if (ending_) return true;
  const Current current(*device_);
  for (;;) {
    if (under_way_ != nullptr) {
      int code = NCCL_SUCCESS;
      check("ncclCommGetAsyncError", library_.table.async_error(handle_, &code));
      check(under_way_, code);
      if (code == NCCL_IN_PROGRESS) return false;
      under_way_ = nullptr;
      joined_ = true;
    }
    if (waiting_.empty()) return true;
    const NcclCall call = std::move(waiting_.front());
    waiting_.pop_front();
    const char* const names[COLLECTIVE_KINDS] = {"an all-gather", "a reduce-scatter", "an all-reduce", "an all-to-all"};
    const char* const name = names[static_cast<size_t>(call.kind)];
    const int code = issue(call);
    check(name, code);
    if (code == NCCL_IN_PROGRESS) under_way_ = name;
  }
}

int NcclLine::issue(const NcclCall& call) {
  // The library drops a call without elements; all ranks have the same counts, so none of them makes it.
  if (std::all_of(call.counts.begin(), call.counts.end(), [](size_t count) { return count == 0; })) return NCCL_SUCCESS;
  const Nccl& nccl = library_.table;
  switch (call.kind) {
    case CollectiveKind::all_gather:
      return all_gather(call, call.counts[static_cast<size_t>(rank_)]);
    case CollectiveKind::reduce_scatter:
      return reduce_scatter(call, call.counts[static_cast<size_t>(rank_)]);
    case CollectiveKind::all_reduce:
      return nccl.all_reduce(pointer(call.send), pointer(call.recv), call.counts[0], NCCL_INT32, NCCL_SUM, handle_, stream_);
    case CollectiveKind::all_to_all:
      return all_to_all(call);
  }
  return NCCL_INTERNAL_ERROR;
}

int NcclLine::all_gather(const NcclCall& call, size_t own) {
  const Nccl& nccl = library_.table;
  if (equal(call.counts)) return nccl.all_gather(pointer(call.send), pointer(call.recv), own, NCCL_INT32, handle_, stream_);
  int code = nccl.group_start();
  if (code != NCCL_SUCCESS) return code;
  size_t before = 0;
  for (int root = 0; root < size_; root++) {
    const size_t count = call.counts[static_cast<size_t>(root)];
    void* const to = pointer(call.recv, before);
    if (count > 0) code = worse(code, nccl.broadcast(root == rank_ ? pointer(call.send) : to, to, count, NCCL_INT32, root, handle_, stream_));
    before += count;
  }
  return worse(code, nccl.group_end());
}

int NcclLine::reduce_scatter(const NcclCall& call, size_t own) {
  const Nccl& nccl = library_.table;
  if (equal(call.counts)) return nccl.reduce_scatter(pointer(call.send), pointer(call.recv), own, NCCL_INT32, NCCL_SUM, handle_, stream_);
  int code = nccl.group_start();
  if (code != NCCL_SUCCESS) return code;
  size_t before = 0;
  for (int root = 0; root < size_; root++) {
    const size_t count = call.counts[static_cast<size_t>(root)];
    void* const from = pointer(call.send, before);
    // Only the root's is written.
    if (count > 0) code = worse(code, nccl.reduce(from, root == rank_ ? pointer(call.recv) : from, count, NCCL_INT32, NCCL_SUM, root, handle_, stream_));
    before += count;
  }
  return worse(code, nccl.group_end());
}

int NcclLine::all_to_all(const NcclCall& call) {
  const Nccl& nccl = library_.table;
  const size_t count = call.counts[0];
  int code = nccl.group_start();
  if (code != NCCL_SUCCESS) return code;
  for (int peer = 0; peer < size_; peer++) {
    const size_t at = static_cast<size_t>(peer) * count;
    code = worse(code, nccl.send(pointer(call.send, at), count, NCCL_INT32, peer, handle_, stream_));
    code = worse(code, nccl.receive(pointer(call.recv, at), count, NCCL_INT32, peer, handle_, stream_));
  }
  return worse(code, nccl.group_end());
}

std::optional<DeviceError> NcclLine::failure() {
  const std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  // A look while a call is under way would finish it, and that is its own thread's to do.
  if (!lock.owns_lock() || handle_ == nullptr || ending_ || under_way_ != nullptr || !waiting_.empty()) return std::nullopt;
  try {
    const Current current(*device_);
    int code = NCCL_SUCCESS;
    check("ncclCommGetAsyncError", library_.table.async_error(handle_, &code));
    check("a collective", code);
  } catch (const DeviceError& error) {
    return error;
  }
  return std::nullopt;
}

void NcclLine::end(bool abort) noexcept {
  void* ending = nullptr;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ending_) return;
    ending_ = true;
    ending = handle_;
  }
  if (ending != nullptr && !(abort ? aborted(ending) : given_back(ending))) device_->give_up(Held::communicators);
  ended_.store(true);
}

bool NcclLine::ends(const char* function, int code) noexcept {
  if (code == NCCL_SUCCESS || code == NCCL_IN_PROGRESS) return true;
  device_->note(nccl_error(library_, function, code, nullptr));
  return false;
}

bool NcclLine::aborted(void* ending) noexcept {
  if (device_->lost() != nullptr) return false;
  try {
    const Current current(*device_);
    return ends("ncclCommAbort", library_.table.abort(ending));
  } catch (const DeviceError& error) {
    device_->note(error);
    return false;
  }
}

bool NcclLine::given_back(void* ending) noexcept {
  if (device_->lost() != nullptr) return false;
  try {
    const Current current(*device_);
    int code = NCCL_IN_PROGRESS;
    const auto looked = [&] { return ends("ncclCommGetAsyncError", library_.table.async_error(ending, &code)); };
    const bool finished = ends("ncclCommFinalize", library_.table.finalize(ending)) &&
                          poll(finish_ms, [&] { return !looked() || code != NCCL_IN_PROGRESS; }) && ends("ncclCommFinalize", code) &&
                          code == NCCL_SUCCESS;
    // Only one that is finalized may be destroyed. Any other is aborted, which needs no peer.
    return finished ? ends("ncclCommDestroy", library_.table.destroy(ending)) : ends("ncclCommAbort", library_.table.abort(ending));
  } catch (const DeviceError& error) {
    device_->note(error);
    return false;
  }
}

}  // namespace lockstep
