#include "host-memory.h"
#include "host-module.h"
#include "host-stream.h"

namespace lockstep {

namespace {

class HostBackend final : public Backend {
 public:
  const char* kind() const override { return "host"; }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return allocate_host_memory(bytes); }
  std::shared_ptr<StreamBackend> create_stream() override { return std::make_shared<HostStream>(sync_); }
  std::shared_ptr<EventBackend> create_event() override { return std::make_shared<HostEvent>(); }
  std::shared_ptr<Module> load_module(const std::string* path) override {
    return path == nullptr ? builtin_host_module() : load_host_module(*path);
  }

 private:
  const std::shared_ptr<HostSync> sync_ = std::make_shared<HostSync>();
};

}  // namespace

std::unique_ptr<Backend> create_host_backend() { return std::make_unique<HostBackend>(); }

}  // namespace lockstep
