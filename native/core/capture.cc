#include "capture.h"

#include <algorithm>

#include "pool.h"
#include "stream.h"

namespace lockstep {

Capture::Capture(Stream& origin, std::shared_ptr<Pool> taken_from)
    : device(origin.device), pool(std::move(taken_from)), pool_used(pool != nullptr ? pool->used : 0) {
  members.push_back({&origin, 0, 0, {}});
  device->captures.push_back(this);
}

Capture::~Capture() { end(); }

Capture::Member& Capture::member(const Stream& stream) {
  return *std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.stream == &stream; });
}

void Capture::join(Stream& stream) { members.push_back({&stream, 0, 0, {}}); }

void Capture::add(const Stream& stream, std::string name) {
  auto& tail = member(stream).tail;
  const auto node = static_cast<int32_t>(order.nodes.size());
  order.nodes.push_back({std::move(name), stream.id});
  for (const int32_t before : tail) order.edges.insert(order.edges.end(), {before, node});
  tail.assign(1, node);
}

void Capture::wait(const Stream& stream, const std::vector<int32_t>& nodes) {
  auto& tail = member(stream).tail;
  for (const int32_t node : nodes) {
    if (std::find(tail.begin(), tail.end(), node) == tail.end()) tail.push_back(node);
  }
}

const Stream* Capture::unjoined() const {
  for (size_t i = 1; i < members.size(); i++) {
    if (members[i].waited < members[i].operations) return members[i].stream;
  }
  return nullptr;
}

void Capture::end() {
  if (ended) return;
  ended = true;
  auto& under_way = device->captures;
  under_way.erase(std::remove(under_way.begin(), under_way.end(), this), under_way.end());
  // A member's reference to this capture may be the last one.
  const auto owner = device;
  const auto leaving = std::move(members);
  members.clear();
  baked = Baked();
  for (const auto& member : leaving) member.stream->leave_capture();
  owner->empty_retired();
}

}  // namespace lockstep
