#include "retire.h"

#include <algorithm>

#include "stream.h"

namespace lockstep {

void Uses::add(int32_t stream) {
  if (std::find(streams.begin(), streams.end(), stream) == streams.end()) streams.push_back(stream);
}

void Uses::add(const Uses& other) {
  for (const int32_t stream : other.streams) add(stream);
}

void RetireList::add(std::unique_ptr<Resource> resource, Charge charge, Uses uses) {
  entries_.push_back({std::move(charge), std::move(resource), std::move(uses), {}, false});
}

void RetireList::empty(Device& device) {
  const auto through = [&](Entry& entry) {
    if (!entry.marked) {
      for (const int32_t id : entry.uses.streams) {
        // A destroyed stream has no work left.
        if (Stream* const stream = device.stream(id)) entry.marks.push_back(stream->retire_mark());
      }
      entry.marked = true;
    }
    return std::all_of(entry.marks.begin(), entry.marks.end(), [](const auto& mark) { return mark->wait(0).done; });
  };
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(), through), entries_.end());
}

}  // namespace lockstep
