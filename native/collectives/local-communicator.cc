#include "local-communicator.h"

#include <algorithm>
#include <chrono>

#include "core/stream.h"

namespace lockstep {

namespace {

constexpr size_t least_place = 4096;
// The longest that a native call waits.
constexpr double slice_ms = 50;

size_t place_bytes(size_t bytes) {
  size_t place = least_place;
  while (place < bytes) place *= 2;
  return place;
}

}  // namespace

LocalCommunicator::LocalCommunicator(Device& owner, const std::string& group, int32_t rank, int32_t size)
    : device(owner.shared_from_this()), group_(LocalGroup::join(group, rank, size)), rank_(rank) {
  owner.sharers.push_back(this);
}

LocalCommunicator::~LocalCommunicator() {
  leave();
  release();
  auto& sharers = device->sharers;
  sharers.erase(std::remove(sharers.begin(), sharers.end(), this), sharers.end());
}

void LocalCommunicator::require_state(State state) const {
  device->require_open();
  if (state_ == state) return;
  throw DeviceError("ERR_STEP_ORDER", "Rank " + std::to_string(rank_) + " is in another place of collective " +
                                          std::to_string(exchange_) + "; an exchange is post, arrived, collect.",
                    {{"rank", rank_}, {"sequence", exchange_}});
}

void LocalCommunicator::post(Stream& stream, const std::shared_ptr<Buffer>& send, int64_t offset, size_t bytes,
                             std::vector<int32_t> signature) {
  require_state(State::idle);
  stream.check_exchange(*send, offset, bytes);
  const uint64_t exchange = exchange_ + 1;
  // The place was read in the exchange before the last. All ranks have posted since, so their marks are known.
  for (const auto& mark : group_->reads(exchange & 1)) stream.wait_mark(mark);
  auto& place = places_[exchange & 1];
  if (place == nullptr || place->bytes < bytes) {
    auto larger = device->allocate(place_bytes(bytes));
    if (place != nullptr) place->uses.add(stream.id);
    place = std::move(larger);
  }
  stream.copy(send, offset, place, 0, bytes);
  Post post{place->memory->address, bytes, std::move(signature), stream.retire_mark()};
  // Where this thread runs the stream's work itself, peers find the mark reached.
  post.mark->help(slice_ms);
  group_->post(rank_, exchange, std::move(post));
  exchange_ = exchange;
  state_ = State::posted;
}

bool LocalCommunicator::arrived(double ms) {
  if (state_ == State::arrived) return true;
  require_state(State::posted);
  if (!group_->arrived(exchange_, std::min(ms, slice_ms))) return false;
  state_ = State::arrived;
  return true;
}

void LocalCommunicator::collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset,
                                const std::vector<PeerCopy>& copies) {
  require_state(State::arrived);
  for (const PeerCopy& copy : copies) {
    if (copy.peer < 0 || copy.peer >= group_->size) {
      throw DeviceError("ERR_INPUT_INVALID", "There is no rank " + std::to_string(copy.peer) + " in this group.",
                        {{"peer", copy.peer}});
    }
  }
  stream.check_exchange(*into, offset, 0);
  group_->collect(rank_, exchange_, [&](const auto& post_of, std::shared_ptr<Mark>& reads) {
    for (const PeerCopy& copy : copies) {
      const Post& post = post_of(copy.peer);
      if (copy.source > post.bytes || copy.bytes > post.bytes - copy.source) {
        throw DeviceError("ERR_LAUNCH_BOUNDS",
                          "Rank " + std::to_string(copy.peer) + " contributes " + std::to_string(post.bytes) +
                              " bytes, and byte " + std::to_string(copy.source + copy.bytes) + " of them was asked for.",
                          {{"peer", copy.peer}, {"needed", copy.source + copy.bytes}, {"actual", post.bytes}});
      }
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
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double, std::milli>(ms);
  for (uint64_t parity = 0; parity < 2; parity++) {
    if (places_[parity] == nullptr) continue;
    for (const auto& mark : group_->reads(parity)) {
      const std::chrono::duration<double, std::milli> left = end - std::chrono::steady_clock::now();
      const WaitResult result = mark->wait(std::max(0.0, left.count()));
      // A stream that failed reads nothing more.
      if (!result.done && result.failure == nullptr) return false;
    }
    places_[parity].reset();
  }
  return true;
}

void LocalCommunicator::release() {
  if (released(1000)) return;
  for (auto& place : places_) {
    if (place != nullptr) static_cast<void>(place->memory.release());
    place.reset();
  }
}

}  // namespace lockstep
