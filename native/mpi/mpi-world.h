#pragma once

#include "mpi/mpi-library.h"

namespace lockstep {

// The processes of the job, among which messages go: src/ranks/mpi/world.ts.
struct MpiWorld {
  MpiLibrary library = {};
  MpiComm* comm = nullptr;
  int rank = 0;
  int size = 0;

  // Throws ERR_RANK_LOST with MPI's own words, naming `peer`, or this rank where that is -1.
  void check(int code, const char* call, int peer = -1) const;
};

}  // namespace lockstep
