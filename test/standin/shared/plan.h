#pragma once

#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace standin {

// LOCKSTEP_STANDIN_FAIL=name:nth:code, several with a comma: the nth call of a symbol, or of a row of the table, fails with the
// code. Of the name `work` it is the nth thing that a stream does. An nth of 0 is every call. Gives the code, or 0.
inline int planned_failure(const std::vector<std::string>& names, size_t nth) {
  static const char* const set = std::getenv("LOCKSTEP_STANDIN_FAIL");
  std::istringstream all(set == nullptr ? "" : set);
  for (std::string one; std::getline(all, one, ',');) {
    const size_t first = one.find(':'), second = one.find(':', first + 1);
    if (second == std::string::npos) continue;
    const size_t at = std::strtoull(one.c_str() + first + 1, nullptr, 10);
    for (const std::string& name : names) {
      if (name == one.substr(0, first) && (at == 0 || at == nth)) return std::atoi(one.c_str() + second + 1);
    }
  }
  return 0;
}

}  // namespace standin
