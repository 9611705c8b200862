#include "report.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "memory.h"
#include "modules.h"
#include "work.h"

namespace standin {

namespace {

std::string quoted(const std::string& text) {
  std::string all = "\"";
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') all += '\\';
    all += letter < ' ' ? ' ' : letter;
  }
  return all + '"';
}

std::string list(const std::vector<std::string>& texts) {
  std::string all = "[";
  for (const std::string& text : texts) all += (all.size() > 1 ? "," : "") + quoted(text);
  return all + "]";
}

std::string json() {
  World& all = world();
  const Report& now = report();
  std::string text = "{\"library\":" + std::string(
#ifdef STANDIN_HIP
      "\"hip\""
#else
      "\"cuda\""
#endif
  );
  text += ",\"pid\":" + std::to_string(getpid()) + ",\"seed\":" + std::to_string(all.seed) + ",\"calls\":{";
  bool first = true;
  for (int row = 0; row < static_cast<int>(Row::count); row++) {
    if (now.calls[row] == 0 || symbol_of(static_cast<Row>(row)) == nullptr) continue;
    text += (first ? "" : ",") + quoted(symbol_of(static_cast<Row>(row))) + ":" + std::to_string(now.calls[row]);
    first = false;
  }
  text += "},\"work\":" + std::to_string(now.work) + ",\"injected\":" + std::to_string(now.injected);
  text += ",\"afterFault\":" + std::to_string(now.after_fault) + ",\"pending\":" + std::to_string(pending());
  text += ",\"refused\":" + list(now.refused) + ",\"faults\":" + list(now.faults);
  const std::pair<const char*, size_t> held[] = {
      {"allocations", live_allocations()}, {"hostAllocations", live_host(HostKind::allocated)},
      {"registrations", live_host(HostKind::registered)}, {"streams", all.streams.size()}, {"events", all.events.size()},
      {"graphs", all.graphs.size()}, {"executables", all.executables.size()}, {"modules", live_modules()}};
  text += ",\"held\":{";
  for (const auto& [name, count] : held) text += (name == held[0].first ? "" : ",") + quoted(name) + ":" + std::to_string(count);
  return text + "}}";
}

// Runs when the process ends: what comes later finds a driver that has gone.
__attribute__((destructor)) void at_exit() {
  stop_worker();
  std::lock_guard<std::mutex> lock(world().mutex);
  if (!world().ended && world().started) {
    check_every_zone();
    const std::string file = setting("LOCKSTEP_STANDIN_REPORT");
    const int to = file.empty() ? -1 : open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const std::string line = json() + "\n";
    if (to >= 0 && write(to, line.data(), line.size()) < 0) std::perror(file.c_str());
    if (to >= 0) close(to);
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
