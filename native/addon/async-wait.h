#pragma once

#include <napi.h>

#include <memory>

#include "core/backend.h"

namespace lockstep {

// A null mark, as of an event that was never recorded, counts as reached.
WaitResult wait_for(const std::shared_ptr<Mark>& mark, double ms);
// Waits on Node's thread pool, at most `ms`; a promise of whether the mark was reached.
Napi::Value wait_async(Napi::Env env, std::shared_ptr<Mark> mark, double ms);

}  // namespace lockstep
