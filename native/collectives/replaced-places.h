#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "core/device.h"

namespace lockstep {

// Whether the marks are reached before `end`. A stream that failed may still run what it was given.
bool reached(const std::vector<std::shared_ptr<Mark>>& marks, std::chrono::steady_clock::time_point end);
std::chrono::steady_clock::time_point in_ms(double ms);

// Places that larger ones replaced, until the reads enqueued of them are done.
class ReplacedPlaces {
 public:
  void add(std::shared_ptr<Buffer> place, std::vector<std::shared_ptr<Mark>> reads);
  // Frees those that nothing reads any more; waits at most `ms` milliseconds. Whether none is left.
  bool free(double ms);
  // What is still read is never freed.
  void keep();

 private:
  struct Replaced {
    std::shared_ptr<Buffer> place;
    std::vector<std::shared_ptr<Mark>> reads;
  };
  std::vector<Replaced> places_;
};

// Leaves the memory of a place to whoever reads it.
void keep_place(const std::shared_ptr<Buffer>& place);

}  // namespace lockstep
