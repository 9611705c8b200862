#include "replaced-places.h"

#include <algorithm>
#include <utility>

namespace lockstep {

bool reached(const std::vector<std::shared_ptr<Mark>>& marks, std::chrono::steady_clock::time_point end) {
  return std::all_of(marks.begin(), marks.end(), [&](const auto& mark) {
    const std::chrono::duration<double, std::milli> left = end - std::chrono::steady_clock::now();
    return mark->wait(std::max(0.0, left.count())).done;
  });
}

std::chrono::steady_clock::time_point in_ms(double ms) {
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double, std::milli>(ms));
}

void ReplacedPlaces::add(std::shared_ptr<Buffer> place, std::vector<std::shared_ptr<Mark>> reads) {
  places_.push_back({std::move(place), std::move(reads)});
}

bool ReplacedPlaces::free(double ms) {
  if (places_.empty()) return true;
  const auto end = in_ms(ms);
  const auto unread = [&](const Replaced& old) { return reached(old.reads, end); };
  places_.erase(std::remove_if(places_.begin(), places_.end(), unread), places_.end());
  return places_.empty();
}

void ReplacedPlaces::keep() {
  for (const auto& old : places_) keep_place(old.place);
  places_.clear();
}

void keep_place(const std::shared_ptr<Buffer>& place) {
  if (place != nullptr) static_cast<void>(place->memory.release());
}

}  // namespace lockstep
