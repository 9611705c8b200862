#pragma once

#include <array>
#include <mutex>
#include <vector>

#include "load-driver.h"

namespace lockstep {

// A library of each vendor, loaded at the first call in a process, whatever came of it. Make one with `new` and never destroy it: other
// threads may ask while the process ends.
template <typename Library>
class LoadedOnce {
 public:
  // `load` is called once a vendor, gives null where nothing serves, and adds what it tried in vain. `attempts`, if not null, receives that.
  template <typename Load>
  const Library* get(Vendor vendor, std::vector<LoadAttempt>* attempts, Load load) {
    Kept& kept = kept_[static_cast<size_t>(vendor)];
    std::call_once(kept.once, [&] { kept.library = load(vendor, kept.attempts); });
    if (attempts != nullptr) *attempts = kept.attempts;
    return kept.library;
  }

 private:
  struct Kept {
    std::once_flag once;
    const Library* library = nullptr;
    std::vector<LoadAttempt> attempts;
  };

  std::array<Kept, 2> kept_;
};

}  // namespace lockstep
