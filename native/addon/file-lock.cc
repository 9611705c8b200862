// The lock on an open file, which goes when the file is closed or its process ends, however that comes about.
#include <sys/file.h>

#include <cerrno>

#include "arguments.h"
#include "objects.h"

namespace lockstep {

/*
 * Locks an open file for its process alone, without waiting. Returns 0, or the error's number: EWOULDBLOCK where the file is open
 * elsewhere and locked there.
 */
napi_value lock_file(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    const int64_t descriptor = integer_argument(info[0], "descriptor");
    if (descriptor < 0 || descriptor > INT32_MAX) invalid_argument("descriptor", info[0], "that of an open file");
    const int error = flock(static_cast<int>(descriptor), LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    return Napi::Number::New(env, error);
  });
}

}  // namespace lockstep
