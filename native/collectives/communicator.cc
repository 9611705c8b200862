#include "communicator.h"

#include <algorithm>

namespace lockstep {

namespace {

constexpr size_t least_place = 4096;

}  // namespace

size_t place_bytes(size_t bytes) {
  size_t place = least_place;
  while (place < bytes) place *= 2;
  return place;
}

Communicator::Communicator(Device& owner, int32_t own_rank) : device(owner.shared_from_this()), rank_(own_rank) {
  owner.sharers.push_back(this);
}

Communicator::~Communicator() {
  auto& sharers = device->sharers;
  sharers.erase(std::remove(sharers.begin(), sharers.end(), this), sharers.end());
}

void Communicator::require_state(State state) const {
  device->require_open();
  if (state_ == state) return;
  throw DeviceError("ERR_STEP_ORDER", "Rank " + std::to_string(rank_) + " is in another place of collective " +
                                          std::to_string(exchange_) + "; an exchange is post, arrived, collect.",
                    {{"rank", rank_}, {"sequence", exchange_}});
}

void Communicator::require_rank(int32_t peer, int32_t size) const {
  if (peer >= 0 && peer < size) return;
  throw DeviceError("ERR_INPUT_INVALID", "There is no rank " + std::to_string(peer) + " in this group.", {{"peer", peer}});
}

DeviceError GroupEnd::error() const {
  std::string lost;
  for (const int32_t culprit : culprits) lost += (lost.empty() ? "" : ", ") + std::to_string(culprit);
  const bool itself = std::find(culprits.begin(), culprits.end(), rank) != culprits.end();
  return DeviceError("ERR_RANK_LOST",
                     "Rank " + lost + " is lost" + (itself ? "" : ", as rank " + std::to_string(rank) + " found") + ": " + reason +
                         " No later collective of its group can run; end all of its ranks and start new ones.",
                     {{"rank", rank}, {"reason", reason}, {"causeCode", code}, {"culprits", culprits}});
}

DeviceError signature_error(int32_t rank, uint64_t exchange) {
  return DeviceError("ERR_RANKS_DIVERGED",
                     "In collective " + std::to_string(exchange) + ", rank " + std::to_string(rank) +
                         " has another kind, type or counts than rank 0; all ranks must enter the same collectives in the "
                         "same order, with the counts of the decision.",
                     {{"rank", rank}, {"sequence", exchange}, {"culprits", std::vector<int32_t>{rank}}});
}

void check_peer_copy(const PeerCopy& copy, size_t contributed) {
  if (copy.source <= contributed && copy.bytes <= contributed - copy.source) return;
  throw DeviceError("ERR_LAUNCH_BOUNDS",
                    "Rank " + std::to_string(copy.peer) + " contributes " + std::to_string(contributed) + " bytes, and byte " +
                        std::to_string(copy.source + copy.bytes) + " of them was asked for.",
                    {{"peer", copy.peer}, {"needed", copy.source + copy.bytes}, {"actual", contributed}});
}

}  // namespace lockstep
