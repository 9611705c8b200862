#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/pause.h"

namespace lockstep {

// Looks until `reached()` or `ms` milliseconds have passed; what it returned last. At first without sleeping: the shortest sleep
// takes longer than most waits of a step.
template <typename Reached>
bool poll(double ms, Reached reached) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds spins_for(50);
  constexpr Clock::duration longest_sleep = std::chrono::microseconds(500);
  const auto start = Clock::now();
  const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(ms));
  while (!reached()) {
    const auto now = Clock::now();
    if (now >= end) return false;
    if (now - start < spins_for) {
      pause_briefly();
      continue;
    }
    // A fraction of the time waited so far.
    const auto sleep = std::min(longest_sleep, std::max<Clock::duration>(spins_for, (now - start) / 8));
    std::this_thread::sleep_for(std::min(sleep, end - now));
  }
  return true;
}

}  // namespace lockstep
