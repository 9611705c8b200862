#include "images.h"

#include <dlfcn.h>

#include <fstream>
#include <iterator>

#include "core/error.h"

namespace lockstep {

namespace {

// The folder of the library or program that holds this code.
std::string own_folder() {
  Dl_info here = {};
  if (dladdr(reinterpret_cast<const void*>(&read_kernel_image), &here) == 0 || here.dli_fname == nullptr) return ".";
  const std::string library = here.dli_fname;
  const size_t slash = library.rfind('/');
  return slash == std::string::npos ? "." : library.substr(0, slash);
}

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  return stream.good() ? bytes : "";
}

}  // namespace

std::string read_kernel_image(const char* file) {
  // In the package the addons of all processors share one folder; a build that stands alone has its own.
  const std::string path = own_folder() + "/../kernels/" + file;
  std::string bytes = read_file(path);
  if (bytes.empty()) bytes = read_file(own_folder() + "/kernels/" + file);
  if (!bytes.empty()) return bytes;
  throw DeviceError("ERR_DEVICE_UNAVAILABLE",
                    "The kernels for GPUs are not where they belong, at " + path + "; install the package again, or run set-up.",
                    {{"path", path}});
}

}  // namespace lockstep
