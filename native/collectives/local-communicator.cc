#include "local-communicator.h"

#include <algorithm>
#include <chrono>
#include <utility>

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

// Whether the marks are reached before `end`. A stream that failed may still run what it was given.
bool reached(const std::vector<std::shared_ptr<Mark>>& marks, std::chrono::steady_clock::time_point end) {
  return std::all_of(marks.begin(), marks.end(), [&](const auto& mark) {
    const std::chrono::duration<double, std::milli> left = end - std::chrono::steady_clock::now();
    return mark->wait(std::max(0.0, left.count())).done;
  });
}

std::chrono::steady_clock::time_point in(double ms) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double, std::milli>(ms));
}

}  // namespace

LocalCommunicator::LocalCommunicator(Device& owner, const std::string& group, int32_t rank, int32_t size)
    : device(owner.shared_from_this()), group_(LocalGroup::join(group, rank, size, owner.facts())), rank_(rank) {
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
  auto reads = group_->reads(exchange & 1);
  for (const auto& mark : reads) stream.wait_mark(mark);
  free_replaced(0);
  auto& place = places_[exchange & 1];
  if (place == nullptr || place->bytes < bytes) {
    auto larger = device->allocate(place_bytes(bytes));
    if (place != nullptr) replaced_.push_back({place, std::move(reads)});
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

bool LocalCommunicator::free_replaced(double ms) {
  if (replaced_.empty()) return true;
  const auto end = in(ms);
  const auto unread = [&](const Replaced& old) { return reached(old.reads, end); };
  replaced_.erase(std::remove_if(replaced_.begin(), replaced_.end(), unread), replaced_.end());
  return replaced_.empty();
}

bool LocalCommunicator::released(double ms) {
  const auto end = in(ms);
  if (!free_replaced(ms)) return false;
  for (uint64_t parity = 0; parity < 2; parity++) {
    if (places_[parity] == nullptr) continue;
    if (!reached(group_->reads(parity), end)) return false;
    places_[parity].reset();
  }
  return true;
}

void LocalCommunicator::release() {
  if (released(1000)) return;
  const auto keep = [](const std::shared_ptr<Buffer>& place) {
    if (place != nullptr) static_cast<void>(place->memory.release());
  };
  for (auto& place : places_) keep(std::exchange(place, nullptr));
  for (const auto& old : replaced_) keep(old.place);
  replaced_.clear();
}

}  // namespace lockstep
