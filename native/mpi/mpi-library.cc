#include "mpi-library.h"

#include <dlfcn.h>

namespace lockstep {

namespace {

// Resolves one symbol after the other, and keeps the name of the first that is missing.
class Resolver {
 public:
  explicit Resolver(void* library) : library_(library) {}

  template <typename Target>
  void operator()(const char* name, Target& target) {
    target = reinterpret_cast<Target>(dlsym(library_, name));
    if (target == nullptr && missing_ == nullptr) missing_ = name;
  }

  const char* missing() const { return missing_; }

 private:
  void* const library_;
  const char* missing_ = nullptr;
};

}  // namespace

std::string MpiLibrary::open(const std::string& name) {
  if (name.empty()) return "the name is empty";
  // Never closed: its threads and exit handlers do not survive it.
  void* const library = dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) {
    const char* const reason = dlerror();
    return reason != nullptr ? reason : "unknown reason";
  }
  Resolver resolve(library);
  // First of all what tells Open MPI from other implementations.
  resolve("ompi_mpi_comm_world", world);
  resolve("ompi_mpi_int32_t", int32);
  resolve("ompi_mpi_errors_return", errors_return);
  if (resolve.missing() != nullptr) return std::string("is no Open MPI: it does not export ") + resolve.missing();
  resolve("MPI_Get_library_version", get_library_version);
  resolve("MPI_Initialized", initialized);
  resolve("MPI_Finalized", finalized);
  resolve("MPI_Init_thread", init_thread);
  resolve("MPI_Query_thread", query_thread);
  resolve("MPI_Finalize", finalize);
  resolve("MPI_Abort", abort);
  resolve("MPI_Comm_dup", comm_dup);
  resolve("MPI_Comm_rank", comm_rank);
  resolve("MPI_Comm_size", comm_size);
  resolve("MPI_Comm_set_errhandler", comm_set_errhandler);
  resolve("MPI_Error_string", error_string);
  resolve("MPI_Allgather", allgather);
  resolve("MPI_Isend", isend);
  resolve("MPI_Recv_init", recv_init);
  resolve("MPI_Start", start);
  resolve("MPI_Test", test);
  resolve("MPI_Testany", testany);
  resolve("MPI_Cancel", cancel);
  resolve("MPI_Request_free", request_free);
  if (resolve.missing() != nullptr) return std::string("does not export ") + resolve.missing();
  return "";
}

std::string MpiLibrary::version() const {
  // Longer than any version of Open MPI is, whatever the library was built with.
  char text[32 * mpi_max_library_version] = {};
  int length = 0;
  if (get_library_version(text, &length) != mpi_success) return "an Open MPI that does not tell its version";
  const std::string whole(text);
  return whole.substr(0, whole.find(','));
}

}  // namespace lockstep
