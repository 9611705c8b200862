#include "world.h"

// The names and words of error codes, which each vendor gives in a way of its own.
namespace standin {
namespace {

struct Named {
  int code;
  const char* name;
};

#ifdef STANDIN_HIP
#define SAME(name, value, cuda, hip) {value, #hip},
#define EACH(name, cuda_value, cuda, hip_value, hip)
#else
#define SAME(name, value, cuda, hip) {value, #cuda},
#define EACH(name, cuda_value, cuda, hip_value, hip) {cuda_value, #cuda},
#endif
constexpr Named numbers[] = {
#include "gpu/driver-constants.inc"
};
#undef SAME
#undef EACH

const char* name_of(int code) {
  // Codes and flags are in one list; of the same value the name of an error is the one that says so.
  for (const Named& one : numbers) {
    const std::string name = one.name;
    const bool error = name.rfind("CUDA_", 0) == 0 || name.rfind("hipError", 0) == 0 || name == "hipSuccess";
    if (one.code == code && error) return one.name;
  }
  return nullptr;
}

}  // namespace
}  // namespace standin

#define EXPORTED extern "C" __attribute__((visibility("default")))

#ifdef STANDIN_HIP
EXPORTED const char* hipGetErrorName(int code) {
  const char* const name = standin::name_of(code);
  return name == nullptr ? "hipErrorUnknown" : name;
}
EXPORTED const char* hipGetErrorString(int) { return "reported by the lockstep stand-in"; }
#else
EXPORTED int cuGetErrorName(int code, const char** name) {
  *name = standin::name_of(code);
  return *name == nullptr ? standin::constant::error_invalid_value : 0;
}
EXPORTED int cuGetErrorString(int code, const char** text) {
  *text = standin::name_of(code) == nullptr ? nullptr : "reported by the lockstep stand-in";
  return *text == nullptr ? standin::constant::error_invalid_value : 0;
}
#endif
