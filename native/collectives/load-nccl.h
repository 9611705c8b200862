#pragma once

#include <string>
#include <vector>

#include "core/error.h"
#include "gpu/load-driver.h"
#include "nccl.h"

namespace lockstep {

// NCCL for CUDA, RCCL for HIP, in this process. Never closed again: it has threads of its own.
struct NcclLibrary {
  const char* name;
  Nccl table;
  // The file that answered.
  std::string path;
  // 10000 * major + 100 * minor + patch.
  int version = 0;
};

// The oldest that serves: before 2.19, aborts from several threads hung (NVIDIA/nccl#992).
constexpr int NCCL_FLOOR = 21900;
// Since 2.26 an abort waits until no graph holds work of its communicator; before, such a graph was left with freed memory.
constexpr int NCCL_SAFE = 22600;

// Loads the vendor's library at the first call in a process, whatever came of it. Null where it cannot be used. `attempts` receives
// each library that was tried in vain, the step that failed (dlopen, symbols, version), and why. The library is the one that
// LOCKSTEP_NCCL_LIB or LOCKSTEP_RCCL_LIB names, and no other; without it the vendor's.
const NcclLibrary* load_nccl(Vendor vendor, std::vector<LoadAttempt>* attempts);

// "2.26.2".
std::string nccl_version_text(int version);

// What a code means to JS. ERR_RANK_LOST where a peer or the way to it failed, ERR_RANKS_DIVERGED where the library says that the calls
// are wrong together, else ERR_DEVICE_DRIVER. `communicator` may be null. Details: library, function, code.
DeviceError nccl_error(const NcclLibrary& library, const char* function, int code, void* communicator);

}  // namespace lockstep
