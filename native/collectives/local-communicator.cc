#include "local-communicator.h"

#include <algorithm>
#include <utility>

namespace lockstep {

LocalCommunicator::LocalCommunicator(Device& owner, const std::string& group, int32_t rank, int32_t size)
    : Communicator(owner, rank), group_(LocalGroup::join(group, rank, size, owner.facts())) {}

LocalCommunicator::~LocalCommunicator() {
  leave();
  release();
}

void LocalCommunicator::post(Stream& stream, PostedRange send, std::vector<int32_t> signature) {
  require_state(State::idle);
  const size_t bytes = send.bytes;
  stream.check_exchange(*send.buffer, send.offset, bytes);
  const uint64_t exchange = exchange_ + 1;
  // The place was read in the exchange before the last. All ranks have posted since, so their marks are known.
  auto reads = group_->reads(exchange & 1);
  for (const auto& mark : reads) stream.wait_mark(mark);
  replaced_.free(0);
  auto& place = places_[exchange & 1];
  if (place == nullptr || place->bytes < bytes) {
    auto larger = device->allocate(place_bytes(bytes));
    if (place != nullptr) replaced_.add(place, std::move(reads));
    place = std::move(larger);
  }
  stream.copy(send.buffer, send.offset, place, 0, bytes);
  Post post{place->memory->address, bytes, std::move(signature), stream.retire_mark()};
  // Where this thread runs the stream's work itself, peers find the mark reached.
  post.mark->help(exchange_slice_ms);
  group_->post(rank_, exchange, std::move(post));
  exchange_ = exchange;
  state_ = State::posted;
}

bool LocalCommunicator::arrived(double ms) {
  if (state_ == State::arrived) return true;
  require_state(State::posted);
  if (!group_->arrived(exchange_, std::min(ms, exchange_slice_ms))) return false;
  state_ = State::arrived;
  return true;
}

void LocalCommunicator::collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset,
                                const std::vector<PeerCopy>& copies) {
  require_state(State::arrived);
  for (const PeerCopy& copy : copies) require_rank(copy.peer, group_->size);
  stream.check_exchange(*into, offset, 0);
  group_->collect(rank_, exchange_, [&](const auto& post_of, std::shared_ptr<Mark>& reads) {
    for (const PeerCopy& copy : copies) {
      check_peer_copy(copy, post_of(copy.peer).bytes);
      stream.check_exchange(*into, offset + static_cast<int64_t>(copy.target), copy.bytes);
    }
    try {
      for (const PeerCopy& copy : copies) {
        if (copy.bytes == 0) continue;
        const Post& post = post_of(copy.peer);
        stream.wait_mark(post.mark);
        stream.copy_from(post.address + copy.source, into, offset + static_cast<int64_t>(copy.target), copy.bytes);
      }
    } catch (...) {
      // Peers keep what the first copies read.
      reads = stream.retire_mark();
      throw;
    }
    reads = stream.retire_mark();
  });
  state_ = State::idle;
}

void LocalCommunicator::leave() { group_->end(rank_, "ERR_RANK_LOST", "it left the group of its collectives.", {rank_}); }

bool LocalCommunicator::released(double ms) {
  const auto end = in_ms(ms);
  if (!replaced_.free(ms)) return false;
  for (uint64_t parity = 0; parity < 2; parity++) {
    if (places_[parity] == nullptr) continue;
    if (!reached(group_->reads(parity), end)) return false;
    places_[parity].reset();
  }
  return true;
}

void LocalCommunicator::release() {
  if (released(1000)) return;
  for (auto& place : places_) keep_place(std::exchange(place, nullptr));
  replaced_.keep();
}

}  // namespace lockstep
