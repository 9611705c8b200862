#include "images.h"

#include <dlfcn.h>

#include <fstream>
#include <iterator>

#include "core/error.h"

namespace lockstep {

namespace {

// The folder `kernels` beside the library or program that holds this code.
std::string image_folder() {
  Dl_info here = {};
  if (dladdr(reinterpret_cast<const void*>(&read_kernel_image), &here) == 0 || here.dli_fname == nullptr) return "kernels";
  const std::string library = here.dli_fname;
  const size_t slash = library.rfind('/');
  return (slash == std::string::npos ? std::string(".") : library.substr(0, slash)) + "/kernels";
}

}  // namespace

std::string read_kernel_image(const char* file) {
  const std::string path = image_folder() + "/" + file;
  std::ifstream stream(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.good() && !bytes.empty()) return bytes;
  throw DeviceError("ERR_DEVICE_UNAVAILABLE",
                    "The kernels for GPUs are not where they belong, at " + path + "; install the package again, or run set-up.",
                    {{"path", path}});
}

}  // namespace lockstep
