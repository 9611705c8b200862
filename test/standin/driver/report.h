#pragma once

#include "entry.h"

namespace standin {

// What a process did with the library; `lockstep_standin_report()` gives it as JSON, and LOCKSTEP_STANDIN_REPORT names a file
// to which the process adds it, as one line, when it ends.
struct Report {
  size_t calls[static_cast<int>(Row::count)] = {};
  const char* last = "";
  size_t work = 0, injected = 0, after_fault = 0;
  // Calls refused for a breach of a rule, and what killed a context.
  std::vector<std::string> refused, faults;
};

Report& report();

}  // namespace standin
