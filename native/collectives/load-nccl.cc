#include "load-nccl.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <mutex>


namespace lockstep {

namespace {

constexpr bool required = true;
constexpr bool optional = false;

struct Loaded {
  std::mutex mutex;
  const NcclLibrary* library = nullptr;
  std::vector<LoadAttempt> attempts;
};

Loaded& loaded(Vendor vendor) {
  // Never destroyed: other threads may ask while the process ends.
  static Loaded* const all = new Loaded[2];
  return all[static_cast<size_t>(vendor)];
}

std::string library_name(Vendor vendor) {
  const char* const named = std::getenv(vendor == Vendor::cuda ? "LOCKSTEP_NCCL_LIB" : "LOCKSTEP_RCCL_LIB");
  if (named != nullptr && *named != '\0') return named;
  return vendor == Vendor::cuda ? "libnccl.so.2" : "librccl.so.1";
}

// What the library lacks, by its symbols.
std::string fill_table(void* handle, NcclLibrary& library) {
  std::string missing;
#define ROW(field, result, parameters, symbol, need)                                       \
  {                                                                                        \
    void* const found = dlsym(handle, symbol);                                             \
    std::memcpy(&library.table.field, &found, sizeof(found));                              \
    if (found == nullptr && need) missing += (missing.empty() ? "" : ", ") + std::string(symbol); \
  }
#include "nccl-symbols.inc"
#undef ROW
  Dl_info info;
  if (library.table.version != nullptr && dladdr(reinterpret_cast<void*>(library.table.version), &info) != 0) {
    library.path = info.dli_fname;
  }
  return missing;
}

const NcclLibrary* load(Vendor vendor, std::vector<LoadAttempt>& attempts) {
  const std::string name = library_name(vendor);
  const auto fail = [&](const char* step, const std::string& reason) {
    attempts.push_back({name, step, reason});
    return nullptr;
  };
  void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    return fail("dlopen", reason != nullptr ? reason : "unknown reason");
  }
  NcclLibrary library;
  library.name = vendor == Vendor::cuda ? "NCCL" : "RCCL";
  const std::string missing = fill_table(handle, library);
  if (!missing.empty()) return fail("symbols", "it lacks " + missing);
  if (const int code = library.table.version(&library.version); code != NCCL_SUCCESS) {
    return fail("version", "ncclGetVersion reported " + std::string(library.table.error_text(code)));
  }
  if (library.version < NCCL_FLOOR) {
    return fail("version", "it is " + std::string(library.name) + " " + nccl_version_text(library.version) + ", and the oldest that serves is " +
                               nccl_version_text(NCCL_FLOOR) + ": before it, ending a communicator from another thread hung (NVIDIA/nccl#992)");
  }
  return new NcclLibrary(library);
}

}  // namespace

const NcclLibrary* load_nccl(Vendor vendor, std::vector<LoadAttempt>* attempts) {
  Loaded& one = loaded(vendor);
  const std::lock_guard<std::mutex> lock(one.mutex);
  // One that failed is tried again.
  if (one.library == nullptr) {
    one.attempts.clear();
    one.library = load(vendor, one.attempts);
  }
  if (attempts != nullptr) *attempts = one.attempts;
  return one.library;
}

std::string nccl_version_text(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
}

DeviceError nccl_error(const NcclLibrary& library, const char* function, int code, void* communicator) {
  const char* const meaning = library.table.error_text(code);
  const char* const words = library.table.last_error != nullptr && communicator != nullptr ? library.table.last_error(communicator) : "";
  std::string message = std::string(library.name) + " failed: " + function + " reported " + (meaning != nullptr ? meaning : "no text") + " (" +
                        std::to_string(code) + ")";
  if (words != nullptr && *words != '\0') message += ": " + std::string(words);
  message += ". End all ranks of the group and start new ones; NCCL_DEBUG=INFO makes the library say more.";
  const bool peer = code == NCCL_REMOTE_ERROR || code == NCCL_SYSTEM_ERROR;
  const char* const ours = peer ? "ERR_RANK_LOST" : code == NCCL_INVALID_USAGE ? "ERR_RANKS_DIVERGED" : "ERR_DEVICE_DRIVER";
  return DeviceError(ours, message, {{"library", std::string(library.name)}, {"function", std::string(function)}, {"code", code}});
}

}  // namespace lockstep
