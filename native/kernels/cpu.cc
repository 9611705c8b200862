#include "cpu.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace lockstep {

namespace {

struct Level {
  const char* name;
  const Body* bodies;
  bool (*is_supported)();
};

const Level LEVELS[] = {
#ifdef __x86_64__
    {"v2", BASE_BODIES, [] { return true; }},
    {"avx2", AVX2_BODIES, [] { return __builtin_cpu_supports("avx2") != 0; }},
    {"avx512", AVX512_BODIES, [] { return __builtin_cpu_supports("avx512f") != 0; }},
#else
    {"base", BASE_BODIES, [] { return true; }},
#endif
};

// Processors that this process may run on.
int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

void refuse_variable(CpuChoice& choice, const char* variable, const std::string& value, const std::string& remedy) {
  choice.variable = variable;
  choice.mistake = choice.variable + " is \"" + value + "\": " + remedy;
}

CpuChoice choose() {
  CpuChoice choice = {};
  choice.threads = processors();
  const char* const wanted = std::getenv("LOCKSTEP_CPU");
  bool found = false;
  for (const Level& level : LEVELS) {
    if (!level.is_supported()) continue;
    choice.supported.push_back(level.name);
    if (found) continue;
    choice.name = level.name;
    choice.bodies = level.bodies;
    found = wanted != nullptr && std::strcmp(wanted, level.name) == 0;
  }
  if (wanted != nullptr && *wanted != '\0' && !found) {
    std::string names;
    for (const char* const name : choice.supported) names += (names.empty() ? "" : ", ") + std::string(name);
    refuse_variable(choice, "LOCKSTEP_CPU", wanted, "this processor runs " + names + "; give one of them, or unset it for the best");
  }
  const char* const limit = std::getenv("LOCKSTEP_THREADS");
  if (limit != nullptr && *limit != '\0') {
    char* end = nullptr;
    const long threads = std::strtol(limit, &end, 10);
    if (*end != '\0' || threads < 1) {
      refuse_variable(choice, "LOCKSTEP_THREADS", limit, "give the number of threads, 1 or more, or unset it for all processors");
    } else {
      choice.threads = static_cast<int>(std::min<long>(threads, choice.threads));
    }
  }
  return choice;
}

}  // namespace

const CpuChoice& cpu_choice() {
  static const CpuChoice choice = choose();
  return choice;
}

}  // namespace lockstep
