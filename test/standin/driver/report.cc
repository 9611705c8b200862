#include "report.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "../shared/json.h"
#include "gpu/driver-constants.h"
#include "memory.h"
#include "modules.h"
#include "work.h"

namespace standin {

namespace {

std::string json() {
  World& all = world();
  const Report& now = report();
#ifdef STANDIN_HIP
  std::string text = "{\"library\":\"hip\"";
#else
  std::string text = "{\"library\":\"cuda\"";
#endif
  Counts calls;
  for (int row = 0; row < static_cast<int>(Row::count); row++) {
    if (now.calls[row] > 0 && symbol_of(static_cast<Row>(row)) != nullptr) calls.emplace_back(symbol_of(static_cast<Row>(row)), now.calls[row]);
  }
  const Counts held = {{"allocations", live_allocations()}, {"hostAllocations", live_host(HostKind::allocated)},
                       {"registrations", live_host(HostKind::registered)}, {"streams", all.streams.size()},
                       {"events", all.events.size()}, {"graphs", all.graphs.size()},
                       {"executables", all.executables.size()}, {"modules", live_modules()},
                       // The thread that ends the process, and was found in this mode.
                       {"changedCaptureModes", size_t{current().capture_mode != constant::capture_global}}};
  text += ",\"pid\":" + std::to_string(getpid()) + ",\"seed\":" + std::to_string(all.seed) + ",\"calls\":" + object_of(calls);
  text += ",\"work\":" + std::to_string(now.work) + ",\"injected\":" + std::to_string(now.injected);
  text += ",\"afterFault\":" + std::to_string(now.after_fault) + ",\"pending\":" + std::to_string(pending());
  text += ",\"refused\":" + list_of(now.refused) + ",\"faults\":" + list_of(now.faults) + ",\"held\":" + object_of(held);
  return text + "}";
}

// Runs when the process ends: what comes later finds a driver that has gone.
__attribute__((destructor)) void at_exit() {
  stop_worker();
  std::lock_guard<std::mutex> lock(world().mutex);
  if (!world().ended && *report().last != '\0') {
    check_every_zone();
    add_to_report(json());
  }
  world().ended = true;
}

}  // namespace

Report& report() {
  static Report* const one = new Report;
  return *one;
}

int refuse(int code, const std::string& text) {
  const std::string line = std::string(report().last) + ": " + text;
  if (report().refused.size() < 100) report().refused.push_back(line);
  if (std::getenv("LOCKSTEP_STANDIN_QUIET") == nullptr) {
    std::fprintf(stderr, "stand-in (seed %llu): %s -> %d\n", static_cast<unsigned long long>(world().seed), line.c_str(), code);
  }
  return code;
}

}  // namespace standin

// For programs in the same process: the report as JSON, valid until the next call of this function.
extern "C" __attribute__((visibility("default"))) const char* lockstep_standin_report() {
  static std::string* const text = new std::string;
  std::lock_guard<std::mutex> lock(standin::world().mutex);
  *text = standin::json();
  return text->c_str();
}
