#include "staging.h"

#include <algorithm>
#include <utility>

#include "device.h"
#include "stream.h"

namespace lockstep {

namespace {

constexpr size_t least_bytes = 4096;
// Returned memory beyond this is freed.
constexpr size_t most_held = size_t{64} << 20;

size_t rounded(size_t bytes) {
  size_t size = least_bytes;
  while (size < bytes && size <= SIZE_MAX / 2) size *= 2;
  return std::max(size, bytes);
}

}  // namespace

StagingPiece::StagingPiece(Device& device, std::unique_ptr<Staging> memory, size_t bytes)
    : bytes(bytes), device_(device.shared_from_this()), memory_(std::move(memory)) {
  device.staging.in_use_.insert(this);
}

StagingPiece::~StagingPiece() {
  device_->staging.in_use_.erase(this);
  device_->staging.give_back(*device_, std::move(memory_), std::move(uses));
}

// In a capture no mark is made and none is looked at: other streams may take part in it.
void StagingPool::mark(Device& device, Entry& entry) {
  if (device.capture() != nullptr) return;
  for (const int32_t id : std::exchange(entry.uses.streams, {})) {
    // A destroyed stream has no work left.
    if (Stream* const stream = device.stream(id)) entry.marks.push_back(stream->retire_mark());
  }
}

bool StagingPool::is_free(Device& device, Entry& entry) {
  if (entry.uses.streams.empty() && entry.marks.empty()) return true;
  if (device.capture() != nullptr) return false;
  mark(device, entry);
  const bool done = std::all_of(entry.marks.begin(), entry.marks.end(), [](const auto& mark) { return mark->wait(0).done; });
  if (done) entry.marks.clear();
  return done;
}

std::shared_ptr<StagingPiece> StagingPool::take(Device& device, size_t bytes) {
  const size_t size = rounded(bytes);
  // Those behind the first of this size were returned later.
  const auto entry = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& one) { return one.memory->bytes == size; });
  if (entry == entries_.end() || !is_free(device, *entry)) {
    return std::make_shared<StagingPiece>(device, device.allocate_staging(size), bytes);
  }
  auto memory = std::move(entry->memory);
  entries_.erase(entry);
  held_ -= size;
  return std::make_shared<StagingPiece>(device, std::move(memory), bytes);
}

void StagingPool::give_back(Device& device, std::unique_ptr<Staging> memory, Uses uses) {
  // After the end every stream is joined.
  if (device.closed()) return;
  if (memory->bytes > most_held - std::min(most_held, held_)) return device.retire(std::move(memory), Charge(), uses);
  held_ += memory->bytes;
  entries_.push_back({std::move(memory), std::move(uses), {}});
  // At once: a mark that is made when the memory is asked for again is never reached by then, and the pool would grow for ever.
  mark(device, entries_.back());
}

void StagingPool::clear() {
  for (StagingPiece* const piece : in_use_) piece->memory_.reset();
  entries_.clear();
  held_ = 0;
}

}  // namespace lockstep
