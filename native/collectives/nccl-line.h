#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "gpu/gpu-device.h"
#include "load-nccl.h"

namespace lockstep {

// In the order of their numbers in JS.
enum class CollectiveKind : uint8_t { all_gather, reduce_scatter, all_reduce, all_to_all };
constexpr size_t COLLECTIVE_KINDS = 4;

// A collective over int32 elements. `counts` has one of each rank, or one.
struct NcclCall {
  CollectiveKind kind;
  DeviceAddress send;
  DeviceAddress recv;
  std::vector<size_t> counts;
};

// One communicator of the library, for one stream. It does not block: a call may still be under way when the library returns, and
// nothing is enqueued behind it on the stream until settled() says that it is not. Calls are made by the device's thread; failure() and
// end() by any.
class NcclLine {
 public:
  NcclLine(const NcclLibrary& library, std::shared_ptr<GpuDevice> device, const NcclUniqueId& id, int rank, int size);

  // Begins to join the peers. Throws what the library reports.
  void join(void* stream);
  bool joined() const { return joined_; }
  // Makes the call once those before it are settled.
  void add(NcclCall call) {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(std::move(call));
  }
  // Waits at most `ms` milliseconds until every call is on the stream. Throws what the library reports.
  bool settled(double ms);
  // What the library says of the communicator, between calls.
  std::optional<DeviceError> failure();
  // Gives the communicator back, or aborts it, which may take as long as graphs hold work of it. Once.
  void end(bool abort) noexcept;
  bool ended() const { return ended_.load(); }

 private:
  bool advance();
  int issue(const NcclCall& call);
  int all_gather(const NcclCall& call, size_t own);
  int reduce_scatter(const NcclCall& call, size_t own);
  int all_to_all(const NcclCall& call);
  void check(const char* function, int code);
  // Whether a call that ends a communicator was taken; the device fails with what it reported.
  bool ends(const char* function, int code) noexcept;
  // Whether nothing stays with the library.
  bool aborted(void* ending) noexcept;
  bool given_back(void* ending) noexcept;

  const NcclLibrary& library_;
  const std::shared_ptr<GpuDevice> device_;
  const NcclUniqueId id_;
  const int rank_;
  const int size_;
  std::mutex mutex_;
  void* handle_ = nullptr;
  void* stream_ = nullptr;
  const char* under_way_ = nullptr;
  std::deque<NcclCall> waiting_;
  bool joined_ = false;
  bool ending_ = false;
  std::atomic<bool> ended_{false};
};

}  // namespace lockstep
