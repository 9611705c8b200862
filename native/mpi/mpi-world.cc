#include "mpi-world.h"

#include <cstdint>
#include <string>
#include <vector>

#include "core/error.h"

namespace lockstep {

void MpiWorld::check(int code, const char* call, int peer) const {
  if (code == mpi_success) return;
  char text[8 * mpi_max_error_string] = {};
  int length = 0;
  library.error_string(code, text, &length);
  const int named = peer >= 0 ? peer : rank;
  throw DeviceError("ERR_RANK_LOST", std::string(call) + " failed: " + text + ".",
                    {{"rank", named}, {"call", std::string(call)}, {"mpiError", code}, {"culprits", std::vector<int32_t>{named}}});
}

}  // namespace lockstep
