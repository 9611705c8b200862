#pragma once

#include <memory>
#include <string>
#include <vector>

#include "communicator.h"
#include "local-group.h"
#include "replaced-places.h"

namespace lockstep {

// A rank's side of a LocalGroup; nothing waits for the device. What is sent is copied to memory of the communicator first, so that later
// work of the stream may overwrite it, as with any collective; two such places alternate.
class LocalCommunicator final : public Communicator {
 public:
  LocalCommunicator(Device& device, const std::string& group, int32_t rank, int32_t size);
  ~LocalCommunicator() override;

  void post(Stream& stream, PostedRange send, std::vector<int32_t> signature) override;
  bool arrived(double ms) override;
  void collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset, const std::vector<PeerCopy>& copies) override;
  std::vector<int32_t> missing() const override { return group_->missing(exchange_); }
  void abort(const std::string& code, const std::string& reason, std::vector<int32_t> culprits) override {
    if (culprits.empty()) culprits = {rank_};
    group_->end(rank_, code, reason, std::move(culprits));
  }

  // Ends the group if it has not ended.
  void leave() override;
  bool released(double ms) override;
  // The same at the end of the device: memory that is still read after a second is never freed.
  void release() override;

 private:
  const std::shared_ptr<LocalGroup> group_;
  std::shared_ptr<Buffer> places_[2];
  ReplacedPlaces replaced_;
};

}  // namespace lockstep
