#include <cstring>

#include "async-wait.h"
#include "objects.h"

namespace lockstep {

void ReadbackObject::define(Napi::Env env) { Handle::define(env, {method_of<&ReadbackObject::copy_to>("copyTo")}); }

Napi::Value ReadbackObject::copy_to(const Napi::CallbackInfo& info) {
  const Bytes into = view_argument(info[0], "into");
  if (core()->staging == nullptr) throw DeviceError("ERR_DISPOSED", "This readback was taken already.");
  StagingPiece& staging = *core()->staging;
  if (into.bytes != staging.bytes) {
    throw DeviceError("ERR_LAUNCH_BOUNDS",
                      "into has " + std::to_string(into.bytes) + " bytes, " + std::to_string(staging.bytes) +
                          " were read.",
                      {{"needed", staging.bytes}, {"actual", into.bytes}});
  }
  if (core()->filled->disposed) throw_disposed("device of readback", core()->filled->id);
  const WaitResult result = wait_for(core()->filled->mark, 0);
  if (result.failure != nullptr) throw DeviceError(result.failure->error);
  if (!result.done) throw DeviceError("ERR_DEVICE_BUSY", "The stream has not read the bytes yet; wait for it first.");
  if (into.bytes > 0) std::memcpy(into.address, staging.host(), into.bytes);
  // Done, so that it is free for the next.
  staging.uses = {};
  // The event holds a mark, of which a driver has only so many before it makes more.
  core()->staging.reset();
  core()->filled.reset();
  return info.Env().Undefined();
}

}  // namespace lockstep
