#include "objects.h"

namespace lockstep {

void RecordingObject::define(Napi::Env env) {
  Handle::define(env, {
                          method_of<&RecordingObject::order>("order"),
                          method_of<&RecordingObject::instantiate>("instantiate"),
                          method_of<&RecordingObject::dispose>("dispose"),
                      });
}

Napi::Value RecordingObject::wrap(Napi::Env env, const std::shared_ptr<Recording>& recording) {
  Napi::Object object = create(env, recording->device, recording);
  object.Set("nodes", static_cast<double>(recording->nodes));
  return object;
}

Napi::Value RecordingObject::order(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const CapturedOrder& order = core()->order;
  Napi::Array nodes = Napi::Array::New(env, order.nodes.size());
  for (uint32_t i = 0; i < order.nodes.size(); i++) {
    Napi::Object node = Napi::Object::New(env);
    node.Set("name", order.nodes[i].name);
    node.Set("stream", order.nodes[i].stream);
    nodes.Set(i, node);
  }
  Napi::Array edges = Napi::Array::New(env, order.edges.size() / 2);
  for (uint32_t i = 0; 2 * i < order.edges.size(); i++) {
    Napi::Array edge = Napi::Array::New(env, 2);
    edge.Set(0u, order.edges[2 * i]);
    edge.Set(1u, order.edges[2 * i + 1]);
    edges.Set(i, edge);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("nodes", nodes);
  result.Set("edges", edges);
  return result;
}

Napi::Value RecordingObject::instantiate(const Napi::CallbackInfo& info) {
  return GraphObject::wrap(info.Env(), core()->instantiate());
}

Napi::Value RecordingObject::dispose(const Napi::CallbackInfo& info) {
  core()->dispose();
  return info.Env().Undefined();
}

}  // namespace lockstep
