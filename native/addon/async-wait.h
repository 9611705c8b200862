#pragma once

#include <napi.h>

#include <memory>

#include "core/backend.h"

namespace lockstep {

// Of a null mark, which an event has that was never recorded: reached.
WaitResult wait_for(const std::shared_ptr<Mark>& mark, double ms);
// Waits on Node's thread pool, at most `ms`; a promise of whether the mark was reached.
Napi::Value wait_async(Napi::Env env, std::shared_ptr<Mark> mark, double ms);

}  // namespace lockstep
