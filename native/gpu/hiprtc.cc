#include "hiprtc.h"

#include <dlfcn.h>

#include <cstddef>

namespace lockstep {

namespace {

struct Compiler {
#define ROW(field, parameters, symbol) int(*field) parameters = nullptr;
#include "hiprtc-symbols.inc"
#undef ROW
};

// Why it does not serve, or nothing.
std::string open_compiler(const std::string& name, Compiler& compiler) {
  void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return dlerror();
#define ROW(field, parameters, symbol)                                                \
  compiler.field = reinterpret_cast<int(*) parameters>(dlsym(library, symbol));       \
  if (compiler.field == nullptr) return name + ": it has no function " symbol;
#include "hiprtc-symbols.inc"
#undef ROW
  return "";
}

std::string text_of(void* program, int (*ask_bytes)(void*, size_t*), int (*ask)(void*, char*)) {
  size_t bytes = 0;
  if (ask_bytes(program, &bytes) != 0 || bytes == 0) return "";
  std::string text(bytes, '\0');
  return ask(program, text.data()) == 0 ? text : "";
}

HipCode compile_with(const Compiler& compiler, const std::string& library, const std::string& source, const std::string& target) {
  void* program = nullptr;
  HipCode made{library, "", ""};
  const int created = compiler.create(&program, source.c_str(), "lockstep.hip", 0, nullptr, nullptr);
  if (created != 0) {
    made.log = "hiprtcCreateProgram reported " + std::to_string(created);
    return made;
  }
  const std::string arch = "--offload-arch=" + target;
  const char* options[] = {arch.c_str(), "-O3", "-std=c++17", "-ffp-contract=off"};
  const int code = compiler.compile(program, 4, options);
  if (code == 0) {
    made.code = text_of(program, compiler.code_bytes, compiler.code);
  } else {
    made.log = text_of(program, compiler.log_bytes, compiler.log).c_str();
    made.log = "hiprtcCompileProgram reported " + std::to_string(code) + (made.log.empty() ? "" : ": " + made.log);
  }
  compiler.destroy(&program);
  return made;
}

}  // namespace

HipCode compile_hip(const std::vector<std::string>& libraries, const std::string& source, const std::string& target) {
  std::string reasons;
  for (const std::string& library : libraries) {
    Compiler compiler;
    const std::string reason = open_compiler(library, compiler);
    if (reason.empty()) return compile_with(compiler, library, source, target);
    reasons += (reasons.empty() ? "" : "; ") + reason;
  }
  return {"", "", reasons};
}

}  // namespace lockstep
