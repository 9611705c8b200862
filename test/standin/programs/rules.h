#pragma once

#include <functional>
#include <thread>

#include "bench.h"

// Rules of a driver that the stand-in holds, each with a program that breaks it.
namespace bench {

struct Rule {
  const char* name;
  // The function in the vendors' documentation that states it; of a stricter rule, what it guards.
  const char* source;
  int code;
  // Breaks the rule on a driver that was started, device 0 current, and gives what it answered.
  std::function<int(Bench&)> broken;
  // KEY=value for the process, or null.
  const char* setting = nullptr;
  bool started = true;
};

std::vector<Rule> device_rules();
std::vector<Rule> memory_rules();
std::vector<Rule> stream_rules();
std::vector<Rule> capture_rules();
std::vector<Rule> kernel_rules();

// What a wait for an event ends with.
inline int outcome(Bench& b, void* event) {
  int code = 0;
  while ((code = b.d.event_query(event)) == c::error_not_ready) {
  }
  return code;
}

inline int on_thread(const std::function<int()>& work) {
  int code = 0;
  std::thread([&] { code = work(); }).join();
  return code;
}

}  // namespace bench
