#include "backends.h"

#include "host/host-backend.h"

namespace lockstep {

namespace {

constexpr BackendKind BACKENDS[] = {{"host", create_host_backend}};

}  // namespace

const BackendKind* find_backend(const std::string& kind) {
  for (const BackendKind& backend : BACKENDS) {
    if (kind == backend.name) return &backend;
  }
  return nullptr;
}

std::string backend_names() {
  std::string names;
  for (const BackendKind& backend : BACKENDS) names += (names.empty() ? "'" : ", '") + std::string(backend.name) + "'";
  return names;
}

}  // namespace lockstep
