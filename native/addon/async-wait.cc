#include "async-wait.h"

#include "arguments.h"

namespace lockstep {

WaitResult wait_for(const std::shared_ptr<Mark>& mark, double ms) {
  return mark != nullptr ? mark->wait(ms) : WaitResult{true, nullptr};
}

namespace {

// Owns itself until complete(), which Node calls even when the environment ends: then nothing can be resolved, and every
// status is ignored.
struct AsyncWait {
  // Null: reached.
  std::shared_ptr<Mark> mark;
  double ms;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
  WaitResult result = {false, nullptr};

  static void execute(napi_env, void* data) {
    auto& self = *static_cast<AsyncWait*>(data);
    self.result = wait_for(self.mark, self.ms);
  }

  static void complete(napi_env env, napi_status, void* data) {
    const std::unique_ptr<AsyncWait> self(static_cast<AsyncWait*>(data));
    napi_handle_scope scope;
    if (napi_open_handle_scope(env, &scope) != napi_ok) return;
    napi_value value = nullptr;
    if (self->result.failure != nullptr) {
      value = error_value(env, self->result.failure->error);
      if (value != nullptr) napi_reject_deferred(env, self->deferred, value);
    } else if (napi_get_boolean(env, self->result.done, &value) == napi_ok) {
      napi_resolve_deferred(env, self->deferred, value);
    }
    napi_delete_async_work(env, self->work);
    napi_close_handle_scope(env, scope);
  }
};

}  // namespace

Napi::Value wait_async(Napi::Env env, std::shared_ptr<Mark> mark, double ms) {
  auto wait = std::make_unique<AsyncWait>();
  wait->mark = std::move(mark);
  wait->ms = ms;
  napi_value name;
  napi_value promise;
  if (napi_create_string_utf8(env, "lockstep:wait", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, AsyncWait::execute, AsyncWait::complete, wait.get(), &wait->work) !=
          napi_ok) {
    throw Napi::Error::New(env);
  }
  if (napi_create_promise(env, &wait->deferred, &promise) != napi_ok ||
      napi_queue_async_work(env, wait->work) != napi_ok) {
    napi_delete_async_work(env, wait->work);
    throw Napi::Error::New(env);
  }
  wait.release();
  return Napi::Value(env, promise);
}

}  // namespace lockstep
