#include "local-group.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <unordered_map>

#include "core/pause.h"

namespace lockstep {

namespace {

// How long a rank looks before it sleeps, where each rank can have a core.
constexpr std::chrono::microseconds looks_for(20);

// A registry for the process. Neither is ever destroyed: threads may outlive the module.
std::mutex& registry_mutex() {
  static auto* const mutex = new std::mutex();
  return *mutex;
}

std::unordered_map<std::string, std::weak_ptr<LocalGroup>>& registry() {
  static auto* const groups = new std::unordered_map<std::string, std::weak_ptr<LocalGroup>>();
  return *groups;
}

}  // namespace

std::shared_ptr<LocalGroup> LocalGroup::join(const std::string& id, int32_t rank, int32_t size, const DeviceFacts& facts) {
  const std::lock_guard<std::mutex> lock(registry_mutex());
  auto& groups = registry();
  for (auto entry = groups.begin(); entry != groups.end();) entry = entry->second.expired() ? groups.erase(entry) : ++entry;
  auto group = groups[id].lock();
  if (group == nullptr) {
    group = std::make_shared<LocalGroup>(size, facts);
    groups[id] = group;
  }
  if (group->size != size || rank < 0 || rank >= size || group->seats_[static_cast<size_t>(rank)].joined) {
    throw DeviceError("ERR_INPUT_INVALID",
                      "Rank " + std::to_string(rank) + " of " + std::to_string(size) + " cannot join group " + id +
                          " of " + std::to_string(group->size) + "; each rank joins once.",
                      {{"rank", rank}, {"size", size}});
  }
  if (group->kind_ != facts.kind || group->pci_ != facts.pci) {
    const auto named = [](const std::string& kind, const std::string& pci) { return kind + (pci.empty() ? "" : " " + pci); };
    throw DeviceError("ERR_DEVICE_MISMATCH",
                      "Rank " + std::to_string(rank) + " has the device " + named(facts.kind, facts.pci) + ", and group " + id + " is on " +
                          named(group->kind_, group->pci_) + "; ranks that read each other's memory share one card, or are all on the host.",
                      {{"rank", rank}, {"device", facts.kind}, {"expected", group->kind_}});
  }
  group->seats_[static_cast<size_t>(rank)].joined = true;
  return group;
}

void LocalGroup::post(int32_t rank, uint64_t exchange, Post post) {
  Seat& seat = seats_[static_cast<size_t>(rank)];
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    throw_if_ended();
    seat.posts[exchange & 1] = std::move(post);
  }
  seat.posted.store(exchange);
  if (waiters_.load() == 0) return;
  // A waiter that has looked and does not sleep yet holds the mutex until it sleeps.
  { const std::lock_guard<std::mutex> lock(mutex_); }
  changed_.notify_all();
}

bool LocalGroup::all_posted(uint64_t exchange) const {
  return std::all_of(seats_.begin(), seats_.end(), [&](const Seat& seat) { return seat.posted.load() >= exchange; });
}

bool LocalGroup::arrived(uint64_t exchange, double ms) {
  const auto over = [&] { return all_posted(exchange) || ended_.load(); };
  if (!over() && ms > 0) {
    static const auto cores = static_cast<int32_t>(std::thread::hardware_concurrency());
    const auto start = std::chrono::steady_clock::now();
    while (size <= cores && !over() && std::chrono::steady_clock::now() - start < looks_for) {
      pause_briefly();
    }
    std::unique_lock<std::mutex> lock(mutex_);
    waiters_++;
    changed_.wait_for(lock, std::chrono::duration<double, std::milli>(ms), over);
    waiters_--;
  }
  if (all_posted(exchange)) {
    require_equal_signatures(exchange);
    return true;
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  throw_if_ended();
  return false;
}

std::vector<int32_t> LocalGroup::missing(uint64_t exchange) const {
  std::vector<int32_t> ranks;
  for (int32_t rank = 0; rank < size; rank++) {
    if (seats_[static_cast<size_t>(rank)].posted.load() < exchange) ranks.push_back(rank);
  }
  return ranks;
}

void LocalGroup::require_equal_signatures(uint64_t exchange) const {
  const std::vector<int32_t>& first = seats_.front().posts[exchange & 1].signature;
  for (int32_t rank = 1; rank < size; rank++) {
    if (seats_[static_cast<size_t>(rank)].posts[exchange & 1].signature == first) continue;
    throw signature_error(rank, exchange);
  }
}

std::vector<std::shared_ptr<Mark>> LocalGroup::reads(uint64_t parity) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<Mark>> marks;
  for (const Seat& seat : seats_) {
    if (seat.reads[parity] != nullptr) marks.push_back(seat.reads[parity]);
  }
  return marks;
}

void LocalGroup::end(int32_t rank, const std::string& code, const std::string& reason, std::vector<int32_t> culprits) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (ended_.load()) return;
    end_ = {rank, code, reason, std::move(culprits)};
    ended_.store(true);
  }
  changed_.notify_all();
}

void LocalGroup::throw_if_ended() const {
  if (ended_.load()) throw end_.error();
}

}  // namespace lockstep
