#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "local-group.h"

namespace lockstep {

// A copy out of what a peer posted, by bytes.
struct PeerCopy {
  int32_t peer;
  size_t source;
  size_t target;
  size_t bytes;
};

// A rank's side of a LocalGroup. An exchange is post(), arrived() until it is true, collect(); nothing waits for the device.
// What is sent is copied to memory of the communicator first, so that later work of the stream may overwrite it, as with any
// collective; two such places alternate.
class LocalCommunicator final : public Sharer {
 public:
  LocalCommunicator(Device& device, const std::string& group, int32_t rank, int32_t size);
  ~LocalCommunicator() override;

  // Throws ERR_STEP_ORDER while an exchange is under way, ERR_DEVICE_CAPTURE on a stream that captures, ERR_RANK_LOST.
  void post(Stream& stream, const std::shared_ptr<Buffer>& send, int64_t offset, size_t bytes,
            std::vector<int32_t> signature);
  bool arrived(double ms);
  void collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset, const std::vector<PeerCopy>& copies);
  // Ranks that the exchange under way waits for.
  std::vector<int32_t> missing() const { return group_->missing(exchange_); }
  void abort(const std::string& code, const std::string& reason, std::vector<int32_t> culprits) {
    if (culprits.empty()) culprits = {rank_};
    group_->end(rank_, code, reason, std::move(culprits));
  }

  // Ends the group if it has not ended.
  void leave() override;
  // Frees the memory that peers read, when no peer reads it any more; waits at most `ms` milliseconds for that.
  bool released(double ms);
  // The same at the end of the device: memory that is still read after a second is never freed.
  void release() override;

  const std::shared_ptr<Device> device;

 private:
  enum class State { idle, posted, arrived };
  void require_state(State state) const;

  const std::shared_ptr<LocalGroup> group_;
  const int32_t rank_;
  State state_ = State::idle;
  uint64_t exchange_ = 0;
  // Frees the places that no peer reads any more; waits at most `ms` milliseconds. Whether none is left.
  bool free_replaced(double ms);

  std::shared_ptr<Buffer> places_[2];
  // A place that a larger one replaced, until the reads enqueued of it are done.
  struct Replaced {
    std::shared_ptr<Buffer> place;
    std::vector<std::shared_ptr<Mark>> reads;
  };
  std::vector<Replaced> replaced_;
};

}  // namespace lockstep
