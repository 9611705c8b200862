#include "host-module.h"

#include <dlfcn.h>

#include "kernels/builtin.h"

namespace lockstep {

namespace {

[[noreturn]] void invalid(const std::string& path, const std::string& reason) {
  throw DeviceError("ERR_LAUNCH_INVALID",
                    "No kernels from " + path + ": " + reason + ". See native/include/lockstep-kernels.h.",
                    {{"path", path}, {"reason", reason}});
}

std::string mistake_in(const lockstep_argument& argument) {
  if (argument.name == nullptr) return "has no name";
  if (argument.kind < LOCKSTEP_IN || argument.kind > LOCKSTEP_I64) return "is of no known kind";
  if (argument.kind >= LOCKSTEP_I32) return "";
  const int32_t size = argument.element_bytes;
  return size < 1 || size > 64 || (size & (size - 1)) != 0 ? "has an element size that is no power of two up to 64" : "";
}

std::string mistake_in(const lockstep_kernel& kernel) {
  if (kernel.name == nullptr) return "has no name";
  if (kernel.check == nullptr || kernel.run == nullptr) return "lacks check or run";
  if (kernel.argument_count < 0 || kernel.argument_count > LOCKSTEP_MAX_ARGUMENTS) return "has too many arguments";
  if (kernel.argument_count > 0 && kernel.arguments == nullptr) return "has no argument list";
  for (int32_t i = 0; i < kernel.argument_count; i++) {
    const std::string mistake = mistake_in(kernel.arguments[i]);
    if (!mistake.empty()) return "argument " + std::to_string(i) + " " + mistake;
  }
  return "";
}

std::unique_ptr<Module> module_of(const lockstep_kernel_table& table, std::shared_ptr<HostCaptures> captures) {
  captures->require_none("Loading a module");
  auto module = std::make_unique<HostResource<Module>>(std::move(captures));
  module->kernels = table.kernels;
  module->count = static_cast<size_t>(table.count);
  return module;
}

}  // namespace

std::unique_ptr<Module> builtin_host_module(std::shared_ptr<HostCaptures> captures) {
  auto module = module_of(*builtin_kernels(), std::move(captures));
  module->builtin = true;
  return module;
}

std::unique_ptr<Module> load_host_module(const std::string& path, std::shared_ptr<HostCaptures> captures) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) invalid(path, dlerror());
  using Entry = const lockstep_kernel_table* (*)();
  const auto entry = reinterpret_cast<Entry>(dlsym(library, "lockstep_kernels"));
  if (entry == nullptr) invalid(path, "it exports no function lockstep_kernels");
  const lockstep_kernel_table* table = nullptr;
  try {
    table = entry();
  } catch (...) {
    invalid(path, "lockstep_kernels() threw a C++ exception");
  }
  if (table == nullptr) invalid(path, "lockstep_kernels() returned no table");
  if (table->abi != LOCKSTEP_KERNEL_ABI) {
    invalid(path, "its ABI is " + std::to_string(table->abi) + ", this build's is " + std::to_string(LOCKSTEP_KERNEL_ABI) +
                      "; compile it again with this build's header");
  }
  if (table->count < 0 || (table->count > 0 && table->kernels == nullptr)) invalid(path, "its table has no kernels");
  for (int32_t i = 0; i < table->count; i++) {
    const std::string mistake = mistake_in(table->kernels[i]);
    if (!mistake.empty()) invalid(path, "kernel " + std::to_string(i) + " " + mistake);
  }
  return module_of(*table, std::move(captures));
}

}  // namespace lockstep
