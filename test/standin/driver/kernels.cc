#include "kernels.h"

#include <cstring>

#include "world.h"

#if __has_include("kernels/threads.h")
#include "kernels/kernel-info.h"
#include "kernels/threads.h"
#define WITH_PRODUCT_KERNELS
#endif

namespace standin {

namespace {

#ifdef WITH_PRODUCT_KERNELS
void run_product(const char* entry, void* const* parameters, uint32_t grid, uint32_t block, uint64_t seed) {
  lockstep::run_threads(entry, parameters, grid, block, seed);
}

HostKernel product(const lockstep::KernelInfo& info) {
  HostKernel kernel;
  kernel.entry = std::string("lockstep_") + info.name;
  for (int32_t i = 0; i < info.argument_count; i++) {
    const int32_t kind = info.arguments[i].kind;
    if (kind == LOCKSTEP_I32) kernel.parameters.push_back(Parameter::i32);
    else if (kind == LOCKSTEP_I64) kernel.parameters.push_back(Parameter::i64);
    else kernel.parameters.insert(kernel.parameters.end(), {Parameter::address, Parameter::i64});
  }
  kernel.parameters.push_back(Parameter::address);
  kernel.run = run_product;
  return kernel;
}
#endif

template <class T>
T value(const void* place) {
  T read;
  std::memcpy(&read, place, sizeof(read));
  return read;
}

// values[i] += delta, for all i; each thread takes one.
void run_add(const char*, void* const* parameters, uint32_t grid, uint32_t block, uint64_t) {
  auto* const values = value<int32_t*>(parameters[0]);
  const auto delta = value<int32_t>(parameters[2]);
  for (int64_t i = 0; i < int64_t{grid} * block && i < value<int64_t>(parameters[1]) / 4; i++) values[i] += delta;
}

// Writes one word behind the buffer: for the test of red zones.
__attribute__((no_sanitize("address"))) void run_overrun(const char*, void* const* parameters, uint32_t, uint32_t, uint64_t) {
  auto* const end = value<volatile char*>(parameters[0]) + value<int64_t>(parameters[1]);
  for (int i = 0; i < 4; i++) end[i] = 0;
}

std::vector<HostKernel> every_kernel() {
  std::vector<HostKernel> all;
#ifdef WITH_PRODUCT_KERNELS
#define LOCKSTEP_KERNEL(name) all.push_back(product(lockstep::name##_info()));
#include "kernels/kernel-names.inc"
#undef LOCKSTEP_KERNEL
#endif
  const std::vector<Parameter> one_buffer = {Parameter::address, Parameter::i64, Parameter::i32, Parameter::address};
  all.push_back({"lockstep_test_add", one_buffer, true, run_add});
  all.push_back({"lockstep_test_overrun", one_buffer, true, run_overrun});
  return all;
}

Arch read_arch() {
  std::string text = setting("LOCKSTEP_STANDIN_ARCH");
  Arch arch;
#ifdef STANDIN_HIP
  if (text.empty()) text = "gfx942";
  arch.name = text;
  // gfx<major><minor><stepping>: the last two are one digit each.
  const std::string digits = text.substr(3);
  arch.major = std::atoi(digits.substr(0, digits.size() - 2).c_str());
  arch.minor = std::atoi(digits.substr(digits.size() - 2, 1).c_str());
#else
  if (text.empty()) text = "90";
  arch.name = "sm_" + text;
  arch.major = std::atoi(text.c_str()) / 10;
  arch.minor = std::atoi(text.c_str()) % 10;
#endif
  return arch;
}

}  // namespace

const Arch& pretended_arch() {
  static const Arch* const arch = new Arch(read_arch());
  return *arch;
}

size_t bytes_of(Parameter kind) { return kind == Parameter::i32 ? 4 : 8; }

const HostKernel* find_kernel(const std::string& entry) {
  static const auto* const all = new std::vector<HostKernel>(every_kernel());
  for (const HostKernel& kernel : *all) {
    if (kernel.entry == entry) return &kernel;
  }
  return nullptr;
}

}  // namespace standin
