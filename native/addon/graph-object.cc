#include "objects.h"

namespace lockstep {

void GraphObject::define(Napi::Env env) { Handle::define(env, {method_of<&GraphObject::dispose>("dispose")}); }

GraphObject::GraphObject(const Napi::CallbackInfo& info)
    : Handle(info), reported_(static_cast<int64_t>(core()->backend->bytes)) {
  report_bytes(info.Env(), reported_);
}

void GraphObject::Finalize(Napi::Env env) {
  report_bytes(env, -std::exchange(reported_, 0));
}

Napi::Value GraphObject::wrap(Napi::Env env, const std::shared_ptr<Graph>& graph) {
  Napi::Object object = create(env, graph->device, graph);
  object.Set("id", graph->id);
  object.Set("nodes", static_cast<double>(graph->backend->nodes));
  object.Set("bytes", static_cast<double>(graph->backend->bytes));
  object.Set("driverBytes", static_cast<double>(graph->backend->driver_bytes));
  object.Set("reservedBytes", static_cast<double>(graph->pool_use.reserved));
  object.Set("allocatedBytes", static_cast<double>(graph->pool_use.allocated));
  return object;
}

Napi::Value GraphObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  Finalize(info.Env());
  return info.Env().Undefined();
}

}  // namespace lockstep
