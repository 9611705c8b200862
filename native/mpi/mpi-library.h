#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace lockstep {

// Handles of Open MPI are pointers to objects of its own; predefined ones are exported by name.
struct MpiComm;
struct MpiDatatype;
struct MpiErrhandler;
struct MpiRequest;

// What Open MPI 4 and 5 fill in, with room for more.
struct MpiStatus {
  int source;
  int tag;
  int error;
  int cancelled;
  size_t bytes;
  std::byte reserved[64];
};

constexpr int mpi_success = 0;
constexpr int mpi_thread_serialized = 2;
constexpr int mpi_max_error_string = 256;
constexpr int mpi_max_library_version = 256;

// The functions of Open MPI that the transport calls, resolved by name from a library that is opened at run time. The signatures are
// those of the MPI standard; the handles' representation is Open MPI's, which other implementations do not share.
struct MpiLibrary {
  int (*get_library_version)(char*, int*);
  int (*initialized)(int*);
  int (*finalized)(int*);
  int (*init_thread)(int*, char***, int, int*);
  int (*query_thread)(int*);
  int (*finalize)();
  int (*abort)(MpiComm*, int);
  int (*comm_dup)(MpiComm*, MpiComm**);
  int (*comm_rank)(MpiComm*, int*);
  int (*comm_size)(MpiComm*, int*);
  int (*comm_set_errhandler)(MpiComm*, MpiErrhandler*);
  int (*error_string)(int, char*, int*);
  int (*allgather)(const void*, int, MpiDatatype*, void*, int, MpiDatatype*, MpiComm*);
  int (*isend)(const void*, int, MpiDatatype*, int, int, MpiComm*, MpiRequest**);
  int (*recv_init)(void*, int, MpiDatatype*, int, int, MpiComm*, MpiRequest**);
  int (*start)(MpiRequest**);
  int (*test)(MpiRequest**, int*, MpiStatus*);
  int (*testany)(int, MpiRequest**, int*, int*, MpiStatus*);
  int (*cancel)(MpiRequest**);
  int (*request_free)(MpiRequest**);
  MpiComm* world;
  MpiDatatype* int32;
  MpiErrhandler* errors_return;

  // Opens a library and resolves everything. Returns an empty text, or the reason why it does not serve.
  std::string open(const std::string& name);
  // The library's own name and version, up to the first comma: `Open MPI v4.1.4`.
  std::string version() const;
};

}  // namespace lockstep
