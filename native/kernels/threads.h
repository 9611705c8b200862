#pragma once

#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "bodies.h"

namespace lockstep {

// Runs a kernel by the name of its entry point, as a driver's launch of `grid` blocks of `block` threads would: parameters[i]
// points to parameter i. Blocks run in an order that `seed` chooses, and so do a block's threads, one after another. False if there is no
// such kernel. For tests: no two threads run at once.
inline bool run_threads(const char* entry, void* const* parameters, uint32_t grid, uint32_t block, uint64_t seed) {
  const Body body = find_body(entry);
  if (body == nullptr) return false;
  // A step of a 64-bit linear congruential generator; its high bits are taken.
  const auto below = [&seed](size_t limit) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((seed >> 33) % limit);
  };
  const auto shuffled = [&below](uint32_t count) {
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0);
    for (size_t left = order.size(); left > 1; left--) std::swap(order[left - 1], order[below(left)]);
    return order;
  };
  for (const uint32_t in_grid : shuffled(grid)) {
    for (const uint32_t in_block : shuffled(block)) {
      body({static_cast<int64>(in_grid) * block + in_block, static_cast<int64>(grid) * block, LANES}, parameters);
    }
  }
  return true;
}

}  // namespace lockstep
