#include "capture.h"

#include <algorithm>

#include "stream.h"

namespace lockstep {

Capture::Capture(Stream& origin) { members.push_back({&origin, 0, 0}); }

Capture::~Capture() {
  for (const auto& buffer : baked) buffer->baked--;
}

Capture::Member& Capture::member(const Stream& stream) {
  return *std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.stream == &stream; });
}

void Capture::join(Stream& stream) { members.push_back({&stream, 0, 0}); }

void Capture::bake(const std::shared_ptr<Buffer>& buffer) {
  if (std::find(baked.begin(), baked.end(), buffer) != baked.end()) return;
  baked.push_back(buffer);
  buffer->baked++;
}

const Stream* Capture::unjoined() const {
  for (size_t i = 1; i < members.size(); i++) {
    if (members[i].waited < members[i].operations) return members[i].stream;
  }
  return nullptr;
}

void Capture::end() {
  ended = true;
  // A member's reference to this capture may be the last.
  const auto leaving = std::move(members);
  members.clear();
  for (const auto& buffer : baked) buffer->baked--;
  baked.clear();
  for (const auto& member : leaving) member.stream->leave_capture();
}

}  // namespace lockstep
