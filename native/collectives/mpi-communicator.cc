#include "mpi-communicator.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

namespace lockstep {

namespace {

using Clock = std::chrono::steady_clock;

// Messages to a peer that are under way at once.
constexpr size_t window = 8;
// Looks for the end of what is under way before the thread sleeps between them.
constexpr int lively_looks = 20;
constexpr double lively_ms = 0.05;
constexpr double drowsy_ms = 1;

constexpr const char* left_reason = "it left the group of its collectives.";

double ms_until(Clock::time_point end) { return std::chrono::duration<double, std::milli>(end - Clock::now()).count(); }

}  // namespace

MpiCommunicator::MpiCommunicator(Device& owner, int spins)
    : Communicator(owner, MpiProcess::here().rank()),
      process_(MpiProcess::here()),
      spins_(spins),
      tag_(process_.next_group()),
      shares_(owner, rank_, process_.size()),
      sent_(static_cast<size_t>(process_.size())),
      incoming_(mpi_message_words),
      outgoing_(mpi_message_words) {
  if (std::string(owner.facts().kind) != "host") {
    throw DeviceError("ERR_INPUT_INVALID", "The processes of an MPI job exchange what host devices hold; a GPU's ranks join NCCL or RCCL.");
  }
  group_ = process_.open_group(tag_, static_cast<int>(mpi_message_words), {});
}

MpiCommunicator::~MpiCommunicator() {
  leave();
  release();
}

void MpiCommunicator::post(Stream& stream, PostedRange send, std::vector<int32_t> signature) {
  if (end_.has_value()) throw end_->error();
  require_state(State::idle);
  stream.check_exchange(*send.buffer, send.offset, send.bytes);
  if (send.shares.size() != sent_.size() || begin_share_words + signature.size() > mpi_message_words) {
    throw DeviceError("ERR_INPUT_INVALID", "A share for each of " + std::to_string(size()) + " ranks, and a signature of at most " +
                                               std::to_string(mpi_message_words - begin_share_words) + " words, are needed.");
  }
  for (const PeerShare& share : send.shares) check_peer_copy({rank_, share.source, 0, share.bytes}, send.bytes);
  std::fill(sent_.begin(), sent_.end(), Sent{});
  send_ = std::move(send);
  signature_ = std::move(signature);
  computed_ = stream.retire_mark();
  computed_->help(exchange_slice_ms);
  exchange_++;
  state_ = State::posted;
}

bool MpiCommunicator::arrived(double ms) {
  if (end_.has_value()) throw end_->error();
  if (state_ == State::arrived) return true;
  require_state(State::posted);
  const auto end = in_ms(std::min(ms, exchange_slice_ms));
  if (computed_ != nullptr) {
    const WaitResult result = computed_->wait(std::max(0.0, ms_until(end)));
    if (result.failure != nullptr) throw DeviceError(result.failure->error);
    if (!result.done) {
      // At its deadline this rank names itself, and no peer whose share it has not looked for.
      take_come();
      throw_if_left();
      return false;
    }
    computed_.reset();
  }
  for (int idle = 0;;) {
    const bool given = send_more();
    shares_.require_equal_signatures(signature_, exchange_);
    if (given && missing().empty()) break;
    throw_if_left();
    // A message ends a wait for shares; that peers have taken this rank's is seen between two waits.
    const bool lively = idle < lively_looks;
    const double most = given && !all_come() ? exchange_slice_ms : lively ? lively_ms : drowsy_ms;
    const double wait = std::max(0.0, std::min(most, ms_until(end)));
    const int spins = lively ? spins_ : 0;
    const MpiArrival found = process_.receive(group_, incoming_.data(), static_cast<int>(mpi_message_words), wait, spins);
    if (found.peer >= 0) {
      shares_.take(found.peer, incoming_, exchange_);
      idle = 0;
    } else if (ms_until(end) <= 0) {
      return false;
    } else {
      idle++;
    }
  }
  state_ = State::arrived;
  return true;
}

void MpiCommunicator::collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset, const std::vector<PeerCopy>& copies) {
  require_state(State::arrived);
  for (const PeerCopy& copy : copies) {
    require_rank(copy.peer, size());
    // What came from a peer is the share of it that this rank takes.
    if (copy.peer == rank_) check_peer_copy(copy, send_.bytes);
    else check_peer_copy({copy.peer, 0, 0, copy.bytes}, shares_.of(copy.peer, exchange_).bytes);
    stream.check_exchange(*into, offset + static_cast<int64_t>(copy.target), copy.bytes);
  }
  try {
    for (const PeerCopy& copy : copies) {
      if (copy.bytes == 0) continue;
      const int64_t target = offset + static_cast<int64_t>(copy.target);
      if (copy.peer == rank_) {
        stream.copy(send_.buffer, send_.offset + static_cast<int64_t>(copy.source), into, target, copy.bytes);
      } else {
        stream.copy_from(shares_.of(copy.peer, exchange_).place->memory->address, into, target, copy.bytes);
      }
    }
  } catch (...) {
    // Shares stay for what the first copies read.
    shares_.read(exchange_, stream.retire_mark());
    throw;
  }
  shares_.read(exchange_, stream.retire_mark());
  send_.buffer.reset();
  state_ = State::idle;
}

void MpiCommunicator::take_come() {
  for (;;) {
    const MpiArrival found = process_.receive(group_, incoming_.data(), static_cast<int>(mpi_message_words), 0, 0);
    if (found.peer < 0) return;
    shares_.take(found.peer, incoming_, exchange_);
  }
}

bool MpiCommunicator::all_come() const {
  for (int peer = 0; peer < size(); peer++) {
    if (!shares_.has_come(peer, exchange_)) return false;
  }
  return true;
}

bool MpiCommunicator::has_unsent(int to) const {
  const Sent& sent = sent_[static_cast<size_t>(to)];
  if (to == rank_ || shares_.left(to)) return false;
  return !sent.begun || sent.bytes < send_.shares[static_cast<size_t>(to)].bytes;
}

bool MpiCommunicator::is_sent(int to) const {
  if (to == rank_ || shares_.left(to)) return true;
  return !has_unsent(to) && process_.sending(tag_, to) == 0;
}

std::vector<int32_t> MpiCommunicator::missing() const {
  std::vector<int32_t> ranks;
  if (state_ != State::posted) return ranks;
  for (int32_t peer = 0; peer < size(); peer++) {
    // This rank too, as long as what it sends is not computed.
    const bool waits = peer == rank_ ? computed_ != nullptr : !shares_.has_come(peer, exchange_) || (computed_ == nullptr && !is_sent(peer));
    if (waits) ranks.push_back(peer);
  }
  return ranks;
}

bool MpiCommunicator::send_more() {
  bool all = true;
  for (int to = 0; to < size(); to++) {
    while (has_unsent(to) && process_.sending(tag_, to) < window) send_next(to);
    all = all && !has_unsent(to);
  }
  return all;
}

void MpiCommunicator::send_next(int to) {
  Sent& sent = sent_[static_cast<size_t>(to)];
  const PeerShare& share = send_.shares[static_cast<size_t>(to)];
  size_t words = more_share_words;
  outgoing_[0] = more_share;
  outgoing_[1] = static_cast<int32_t>(exchange_);
  if (!sent.begun) {
    outgoing_[0] = begin_share;
    outgoing_[2] = static_cast<int32_t>(share.bytes);
    outgoing_[3] = static_cast<int32_t>(static_cast<uint64_t>(share.bytes) >> 32);
    outgoing_[4] = static_cast<int32_t>(signature_.size());
    std::copy(signature_.begin(), signature_.end(), outgoing_.begin() + begin_share_words);
    words = begin_share_words + signature_.size();
  }
  const size_t bytes = std::min(share.bytes - sent.bytes, (mpi_message_words - words) * sizeof(int32_t));
  const std::byte* const from = host_pointer(*send_.buffer) + send_.offset + share.source + sent.bytes;
  if (bytes > 0) std::memcpy(outgoing_.data() + words, from, bytes);
  words += (bytes + sizeof(int32_t) - 1) / sizeof(int32_t);
  sent.begun = true;
  sent.bytes += bytes;
  process_.send(to, tag_, outgoing_.data(), static_cast<int>(words));
}

void MpiCommunicator::throw_if_left() const {
  for (int32_t peer = 0; peer < size(); peer++) {
    if (shares_.left(peer) && !shares_.has_come(peer, exchange_)) throw GroupEnd{peer, "ERR_RANK_LOST", left_reason, {peer}}.error();
  }
}

void MpiCommunicator::abort(const std::string& code, const std::string& reason, std::vector<int32_t> culprits) {
  if (end_.has_value()) return;
  if (culprits.empty()) culprits = {rank_};
  end_ = GroupEnd{rank_, code, reason, std::move(culprits)};
}

void MpiCommunicator::leave() {
  if (group_ < 0) return;
  abort("ERR_RANK_LOST", left_reason, {rank_});
  const int32_t word = left_group;
  for (int to = 0; to < size(); to++) {
    if (to == rank_ || shares_.left(to)) continue;
    try {
      process_.send(to, tag_, &word, 1);
    } catch (const DeviceError&) {
      // It cannot be reached, or MPI has ended.
    }
  }
  try {
    process_.close_group(std::exchange(group_, -1));
  } catch (const DeviceError&) {
  }
}

bool MpiCommunicator::released(double ms) { return shares_.released(ms); }

void MpiCommunicator::release() {
  send_.buffer.reset();
  computed_.reset();
  if (!released(1000)) shares_.keep();
}

}  // namespace lockstep
