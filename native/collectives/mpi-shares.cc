#include "mpi-shares.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "communicator.h"
#include "host/host-memory.h"

namespace lockstep {

namespace {

// No buffer is longer, for JavaScript counts its bytes exactly.
constexpr uint64_t most_share_bytes = uint64_t{1} << 53;

DeviceError place_error(int32_t peer, uint64_t exchange) {
  return DeviceError("ERR_RANKS_DIVERGED",
                     "Rank " + std::to_string(peer) + " sent what no rank sends in collective " + std::to_string(exchange) +
                         "; all processes must run the same version of Lockstep and enter the same collectives in the same order.",
                     {{"rank", peer}, {"sequence", exchange}, {"culprits", std::vector<int32_t>{peer}}});
}

}  // namespace

std::byte* host_pointer(const Buffer& buffer) { return pointer_of(buffer.memory->address); }

void MpiShares::take(int from, const std::vector<int32_t>& words, uint64_t current) {
  Peer& peer = peers_[static_cast<size_t>(from)];
  if (words[0] == left_group) {
    peer.left = true;
    return;
  }
  // No rank is ahead of another by more than one exchange, for it waits for the share of each.
  const uint32_t ahead = static_cast<uint32_t>(words[1]) - static_cast<uint32_t>(current);
  const uint64_t exchange = current + ahead;
  Share& share = peer.shares[exchange & 1];
  if (ahead > 1) throw place_error(from, current);
  if (words[0] == begin_share && share.exchange < exchange) {
    begin(from, share, words, exchange);
  } else if (words[0] == more_share && share.exchange == exchange && share.come < share.bytes) {
    fill(share, words, more_share_words);
  } else {
    throw place_error(from, exchange);
  }
}

void MpiShares::begin(int from, Share& share, const std::vector<int32_t>& words, uint64_t exchange) {
  const size_t signature_words = static_cast<uint32_t>(words[4]);
  const uint64_t bytes = static_cast<uint32_t>(words[2]) | static_cast<uint64_t>(static_cast<uint32_t>(words[3])) << 32;
  if (signature_words > mpi_message_words - begin_share_words || bytes > most_share_bytes) throw place_error(from, exchange);
  replaced_.free(0);
  const bool in_use = share.read != nullptr && !share.read->wait(0).done;
  if (share.place == nullptr || share.place->bytes < bytes || in_use) {
    auto place = device_.allocate(place_bytes(bytes));
    if (in_use) replaced_.add(share.place, {share.read});
    share.place = std::move(place);
  }
  share.read.reset();
  share.exchange = exchange;
  const auto signature = words.begin() + begin_share_words;
  share.signature.assign(signature, signature + static_cast<std::ptrdiff_t>(signature_words));
  share.bytes = bytes;
  share.come = 0;
  fill(share, words, begin_share_words + signature_words);
}

void MpiShares::fill(Share& share, const std::vector<int32_t>& words, size_t first_word) {
  const size_t bytes = std::min(share.bytes - share.come, (mpi_message_words - first_word) * sizeof(int32_t));
  if (bytes > 0) std::memcpy(host_pointer(*share.place) + share.come, words.data() + first_word, bytes);
  share.come += bytes;
}

bool MpiShares::has_come(int peer, uint64_t exchange) const {
  const Share& share = of(peer, exchange);
  return peer == rank_ || (share.exchange == exchange && share.come == share.bytes);
}

void MpiShares::read(uint64_t exchange, const std::shared_ptr<Mark>& mark) {
  for (Peer& peer : peers_) peer.shares[exchange & 1].read = mark;
}

void MpiShares::require_equal_signatures(const std::vector<int32_t>& own, uint64_t exchange) const {
  const int size = static_cast<int>(peers_.size());
  for (int peer = 0; peer < size; peer++) {
    if (peer != rank_ && of(peer, exchange).exchange != exchange) return;
  }
  const auto signature_of = [&](int peer) -> const std::vector<int32_t>& { return peer == rank_ ? own : of(peer, exchange).signature; };
  for (int peer = 1; peer < size; peer++) {
    if (signature_of(peer) != signature_of(0)) throw signature_error(peer, exchange);
  }
}

bool MpiShares::released(double ms) {
  const auto end = in_ms(ms);
  if (!replaced_.free(ms)) return false;
  for (Peer& peer : peers_) {
    for (Share& share : peer.shares) {
      if (share.read != nullptr && !reached({share.read}, end)) return false;
      share.read.reset();
      share.place.reset();
    }
  }
  return true;
}

void MpiShares::keep() {
  for (Peer& peer : peers_) {
    for (Share& share : peer.shares) keep_place(std::exchange(share.place, nullptr));
  }
  replaced_.keep();
}

}  // namespace lockstep
