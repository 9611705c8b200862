#include "host-backend.h"

#include <sys/utsname.h>

#include "host-memory.h"
#include "host-module.h"
#include "host-stream.h"
#include "kernels/cpu.h"
#include "machine-memory.h"

namespace lockstep {

namespace {

class HostBackend final : public Backend {
 public:
  const DeviceFacts& facts() const override { return facts_; }
  DeviceBytes free_bytes() override { return {available_memory(), machine_memory()}; }
  std::unique_ptr<Memory> allocate(size_t bytes) override { return allocate_host_memory(bytes, captures_); }
  std::unique_ptr<Staging> allocate_staging(size_t bytes) override { return allocate_host_staging(bytes); }
  std::unique_ptr<ArenaPin> pin_arena(std::byte*, size_t) override {
    auto pin = std::make_unique<ArenaPin>();
    pin->pinned = true;
    return pin;
  }
  std::shared_ptr<StreamBackend> create_stream(int) override { return std::make_shared<HostStream>(HostSync::shared(), captures_); }
  std::unique_ptr<Module> load_module(const std::string* path) override {
    return path == nullptr ? builtin_host_module(captures_) : load_host_module(*path, captures_);
  }
  std::unique_ptr<Module> load_image(std::string, const std::string& name) override {
    throw DeviceError("ERR_LAUNCH_INVALID",
                      "The host device runs no image for a GPU: give it a shared library of kernels (native/include/lockstep-kernels.h), "
                      "or open a device of kind cuda or hip for " + name + ".",
                      {{"path", name}});
  }

 private:
  static DeviceFacts read_facts() {
    utsname machine = {};
    uname(&machine);
    DeviceFacts facts;
    facts.kind = facts.name = "host";
    facts.arch = machine.machine;
    return facts;
  }

  const DeviceFacts facts_ = read_facts();
  const std::shared_ptr<HostCaptures> captures_ = std::make_shared<HostCaptures>();
};

}  // namespace

std::unique_ptr<Backend> create_host_backend() {
  const CpuChoice& cpu = cpu_choice();
  if (!cpu.mistake.empty()) throw DeviceError("ERR_CONFIG_INVALID", cpu.mistake + ".", {{"variable", cpu.variable}});
  return std::make_unique<HostBackend>();
}

}  // namespace lockstep
