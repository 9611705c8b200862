#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace lockstep {

// A backend of this build, by the kind that `openDevice` takes.
struct BackendKind {
  const char* name;
  std::unique_ptr<Backend> (*create)();
};

// Null for a kind that this build does not hold.
const BackendKind* find_backend(const std::string& kind);
// The kinds that openDevice takes, for an error message.
std::string backend_names();

}  // namespace lockstep
