#pragma once

#include <string>
#include <vector>

namespace lockstep {

// What HIP's runtime compiler made of a source.
struct HipCode {
  // The library that compiled it; empty where none can, and then the log says why of each.
  std::string library;
  // Empty where it failed.
  std::string code;
  std::string log;
};

// Compiles a HIP source for a target (gfx90a) by the first of the libraries that is a compiler. Some versions abort the process
// over a target that they do not know: call it in a process that may end.
HipCode compile_hip(const std::vector<std::string>& libraries, const std::string& source, const std::string& target);

}  // namespace lockstep
