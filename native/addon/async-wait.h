#pragma once

#include <napi.h>

#include <memory>

#include "core/backend.h"

namespace lockstep {

// Waits on Node's thread pool, at most `ms`; a promise of whether the point was reached.
Napi::Value wait_async(Napi::Env env, std::shared_ptr<Point> point, double ms);

}  // namespace lockstep
