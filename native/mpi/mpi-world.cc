#include "mpi-world.h"

#include <string>

#include "core/error.h"

namespace lockstep {

void MpiWorld::check(int code, const char* call, int peer) const {
  if (code == mpi_success) return;
  char text[8 * mpi_max_error_string] = {};
  int length = 0;
  library.error_string(code, text, &length);
  throw DeviceError("ERR_RANK_LOST", std::string(call) + " failed: " + text + ".",
                    {{"rank", peer >= 0 ? peer : rank}, {"call", std::string(call)}, {"mpiError", code}});
}

}  // namespace lockstep
