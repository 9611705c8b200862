#include "load-driver.h"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "gpu-error.h"

namespace lockstep {

namespace {

// Names that were opened, and what dlopen gave for each.
using Tried = std::vector<std::pair<std::string, void*>>;

// A library on its way to being a DriverLibrary. Each step that fails is an attempt.
class Loading {
 public:
  Loading(Vendor vendor, const std::string& name, std::vector<LoadAttempt>& attempts, Tried& tried)
      : name_(name), attempts_(attempts), tried_(tried) {
    library_.vendor = vendor;
  }

  // Null when a step failed.
  const DriverLibrary* run() {
    // Never closed: a driver's threads and exit handlers do not survive it.
    handle_ = dlopen(name_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      const char* const reason = dlerror();
      return fail("dlopen", reason != nullptr ? reason : "unknown reason");
    }
    for (const auto& [name, handle] : tried_) {
      if (handle == handle_) return fail("dlopen", "it is the library that " + name + " gave");
    }
    tried_.emplace_back(name_, handle_);
    // Names of errors come first: the steps after it may have errors to name.
    if (!find_error_names()) return nullptr;
    fill_table();
    const bool known = check_version();
    const bool whole = check_symbols();
    // What a library of the wrong version says of its devices is worth knowing, too.
    const bool started = start();
    return known && whole && started ? new DriverLibrary(library_) : nullptr;
  }

 private:
  bool cuda() const { return library_.vendor == Vendor::cuda; }

  const DriverLibrary* fail(const char* step, const std::string& reason) {
    attempts_.push_back({name_, step, reason});
    return nullptr;
  }

  // What `function` gave back, as a reason.
  std::string reported(DriverCall call, int code) const {
    return std::string(symbol_name(library_.vendor, call)) + " reported " + code_text(library_.vendor, library_.table, code);
  }

  template <typename Function>
  bool find(const char* symbol, Function* into) {
    void* const found = dlsym(handle_, symbol);
    std::memcpy(into, &found, sizeof(found));
    return found != nullptr;
  }

  bool find_error_names() {
    Driver& table = library_.table;
    const char* const symbol = cuda() ? "cuGetErrorName" : "hipGetErrorName";
    const bool found = cuda() ? find(symbol, &table.cuda_error_name) : find(symbol, &table.hip_error_name);
    if (!found) {
      fail("error names", std::string("it exports no ") + symbol + ", so it is no " + vendor_name(library_.vendor) + " driver");
      return false;
    }
    if (cuda()) {
      find("cuGetErrorString", &table.cuda_error_text);
    } else {
      find("hipGetErrorString", &table.hip_error_text);
    }
    return true;
  }

  void fill_table() {
    for (const DriverSymbol& symbol : driver_symbols(library_.vendor)) {
      if (symbol.name == nullptr) continue;
      void* const found = dlsym(handle_, symbol.name);
      if (found == nullptr && symbol.need == Need::required) missing_ += (missing_.empty() ? "" : ", ") + std::string(symbol.name);
      std::memcpy(reinterpret_cast<char*>(&library_.table) + symbol.offset, &found, sizeof(found));
      Dl_info info;
      if (library_.path.empty() && found != nullptr && dladdr(found, &info) != 0) library_.path = info.dli_fname;
    }
  }

  bool check_version() {
    const Driver& table = library_.table;
    // A missing function is the next step's to name.
    if (table.driver_version == nullptr) return false;
    if (const int code = table.driver_version(&library_.driver_version); code != 0) {
      fail("version", reported(DriverCall::driver_version, code));
      return false;
    }
    if (table.runtime_version != nullptr && table.runtime_version(&library_.runtime_version) != 0) library_.runtime_version = 0;
    const int floor = cuda() ? CUDA_FLOOR : HIP_FLOOR;
    if (library_.driver_version >= floor) return true;
    const std::string version = version_text(library_.vendor, library_.driver_version);
    fail("version", std::string("it is of ") + vendor_name(library_.vendor) + " " + version + ", and the oldest that serves is " +
                        (cuda() ? "CUDA 11.4 (driver 470), which brought cuGraphInstantiateWithFlags"
                                : "HIP 6.0: HIP 5 lacks hipGraphUpload, and its graphs had faults (ROCm/hip#2550)"));
    return false;
  }

  bool check_symbols() {
    if (missing_.empty()) return true;
    fail("symbols", "it lacks " + missing_);
    return false;
  }

  bool start() {
    const Driver& table = library_.table;
    if (table.init == nullptr || table.device_count == nullptr) return false;
    if (const int code = table.init(0); code != 0) {
      fail("init", reported(DriverCall::init, code));
      return false;
    }
    if (const int code = table.device_count(&library_.device_count); code != 0) {
      fail("devices", reported(DriverCall::device_count, code));
      return false;
    }
    if (library_.device_count > 0) return true;
    fail("devices", std::string(symbol_name(library_.vendor, DriverCall::device_count)) + " counted none" + hidden_by());
    return false;
  }

  // The variables that may hide devices, for a driver that counts none.
  std::string hidden_by() const {
    std::string set;
    for (const char* variable : visibility_variables(library_.vendor)) {
      const char* const value = std::getenv(variable);
      if (value != nullptr) set += std::string(set.empty() ? "; set is " : ", ") + variable + "=" + value;
    }
    return set;
  }

  const std::string name_;
  std::vector<LoadAttempt>& attempts_;
  Tried& tried_;
  DriverLibrary library_;
  void* handle_ = nullptr;
  std::string missing_;
};

// A vendor's driver once it is loaded. One that failed is tried again: a service that it needs may have come up, and asking again costs
// little.
struct Loaded {
  std::mutex mutex;
  const DriverLibrary* library = nullptr;
  std::vector<LoadAttempt> attempts;
};

Loaded& loaded(Vendor vendor) {
  // Never destroyed: other threads may ask while the process ends.
  static Loaded* const all = new Loaded[2];
  return all[static_cast<size_t>(vendor)];
}

}  // namespace

const DriverLibrary* load_driver(Vendor vendor, std::vector<LoadAttempt>* attempts) {
  Loaded& one = loaded(vendor);
  const std::lock_guard<std::mutex> lock(one.mutex);
  if (one.library == nullptr) {
    one.attempts.clear();
    Tried tried;
    for (const std::string& name : library_names(vendor)) {
      one.library = Loading(vendor, name, one.attempts, tried).run();
      if (one.library != nullptr) break;
    }
  }
  if (attempts != nullptr) *attempts = one.attempts;
  return one.library;
}

const char* library_variable(Vendor vendor) { return vendor == Vendor::cuda ? "LOCKSTEP_CUDA_LIB" : "LOCKSTEP_HIP_LIB"; }

std::vector<std::string> library_names(Vendor vendor) {
  const char* const named = std::getenv(library_variable(vendor));
  if (named != nullptr && *named != '\0') return {named};
  // Never libcuda.so, which is the stub to link with where a toolkit is installed.
  if (vendor == Vendor::cuda) return {"libcuda.so.1"};
  // Versioned names first: the plain one may be an old installation's, and ROCm's wheels have none.
  const char* const root = std::getenv("ROCM_PATH");
  const std::string folder = root != nullptr && *root != '\0' ? root : "/opt/rocm";
  return {"libamdhip64.so.7", "libamdhip64.so.6", "libamdhip64.so.5", "libamdhip64.so", folder + "/lib/libamdhip64.so"};
}

std::vector<const char*> visibility_variables(Vendor vendor) {
  if (vendor == Vendor::cuda) return {"CUDA_VISIBLE_DEVICES"};
  // ROCm's runtime applies its own below HIP's, and HIP takes CUDA's, too.
  return {"ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES"};
}

std::string version_text(Vendor vendor, int version) {
  if (vendor == Vendor::cuda) return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
  return std::to_string(version / 10000000) + "." + std::to_string(version / 100000 % 100) + "." + std::to_string(version % 100000);
}

}  // namespace lockstep
