#include "host-backend.h"

#include "host-memory.h"
#include "host-module.h"
#include "host-stream.h"

namespace lockstep {

namespace {

class HostBackend final : public Backend {
 public:
  const char* kind() const override { return "host"; }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return allocate_host_memory(bytes, captures_); }
  std::shared_ptr<StreamBackend> create_stream() override { return std::make_shared<HostStream>(HostSync::shared(), captures_); }
  std::unique_ptr<Module> load_module(const std::string* path) override {
    return path == nullptr ? builtin_host_module(captures_) : load_host_module(*path, captures_);
  }

 private:
  const std::shared_ptr<HostCaptures> captures_ = std::make_shared<HostCaptures>();
};

}  // namespace

std::unique_ptr<Backend> create_host_backend() { return std::make_unique<HostBackend>(); }

}  // namespace lockstep
