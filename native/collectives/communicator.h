#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/device.h"
#include "core/stream.h"

namespace lockstep {

// A copy out of what a peer posted, by bytes.
struct PeerCopy {
  int32_t peer;
  size_t source;
  size_t target;
  size_t bytes;
};

// What one rank takes of what another posts, by bytes.
struct PeerShare {
  size_t source;
  size_t bytes;
};

// What a rank posts: `bytes` of a buffer from `offset` on.
struct PostedRange {
  std::shared_ptr<Buffer> buffer;
  int64_t offset;
  size_t bytes;
  // Of each rank; needed where ranks do not read each other's memory.
  std::vector<PeerShare> shares;
};

// A rank's side of a group whose ranks exchange what their devices hold. An exchange is post(), arrived() until it is true, collect(). A call
// waits for 50 ms at most. Later work of the stream may overwrite what was posted.
class Communicator : public Sharer {
 public:
  Communicator(Device& owner, int32_t own_rank);
  ~Communicator() override;

  // `signature`: kind, type and counts, which must be equal on all ranks. Throws ERR_STEP_ORDER while an exchange is under way,
  // ERR_DEVICE_CAPTURE on a stream that captures, ERR_RANK_LOST.
  virtual void post(Stream& stream, PostedRange send, std::vector<int32_t> signature) = 0;
  // Throws ERR_RANKS_DIVERGED, on all ranks alike, where signatures differ; ERR_RANK_LOST.
  virtual bool arrived(double ms) = 0;
  virtual void collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset, const std::vector<PeerCopy>& copies) = 0;
  // Ranks that the exchange under way waits for.
  virtual std::vector<int32_t> missing() const = 0;
  virtual void abort(const std::string& code, const std::string& reason, std::vector<int32_t> culprits) = 0;
  // Frees the memory that peers or copies read, when none reads it any more; waits at most `ms` milliseconds for that.
  virtual bool released(double ms) = 0;

  const std::shared_ptr<Device> device;

 protected:
  enum class State { idle, posted, arrived };
  // Throws ERR_STEP_ORDER.
  void require_state(State state) const;
  void require_rank(int32_t peer, int32_t size) const;

  const int32_t rank_;
  State state_ = State::idle;
  // Exchanges posted.
  uint64_t exchange_ = 0;
};

// The longest that a native call waits.
constexpr double exchange_slice_ms = 50;

// Bytes of a place for `bytes`, which grows by doubling.
size_t place_bytes(size_t bytes);

// Why a group ended: `rank` ended it, because of `culprits`.
struct GroupEnd {
  int32_t rank;
  std::string code;
  std::string reason;
  std::vector<int32_t> culprits;
  // ERR_RANK_LOST.
  DeviceError error() const;
};

// ERR_RANKS_DIVERGED: the signature of `rank` is another than that of rank 0.
DeviceError signature_error(int32_t rank, uint64_t exchange);
// ERR_LAUNCH_BOUNDS unless a copy lies within what its peer contributes.
void check_peer_copy(const PeerCopy& copy, size_t contributed);

}  // namespace lockstep
