#pragma once

#include <array>
#include <mutex>
#include <vector>

#include "load-driver.h"

namespace lockstep {

// A library of each vendor, loaded once in a process. One that failed is tried again: a service that it needs may have come up, and asking
// again costs little. Make one with `new` and never destroy it: other threads may ask while the process ends.
template <typename Library>
class LoadedOnce {
 public:
  // `load` gives null where nothing serves, and adds what it tried in vain. `attempts`, if not null, receives what the last call of it added.
  template <typename Load>
  const Library* get(Vendor vendor, std::vector<LoadAttempt>* attempts, Load load) {
    Kept& kept = kept_[static_cast<size_t>(vendor)];
    const std::lock_guard<std::mutex> lock(kept.mutex);
    if (kept.library == nullptr) {
      kept.attempts.clear();
      kept.library = load(vendor, kept.attempts);
    }
    if (attempts != nullptr) *attempts = kept.attempts;
    return kept.library;
  }

 private:
  struct Kept {
    std::mutex mutex;
    const Library* library = nullptr;
    std::vector<LoadAttempt> attempts;
  };

  std::array<Kept, 2> kept_;
};

}  // namespace lockstep
