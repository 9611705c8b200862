#include "images.h"

#include <cstdint>
#include <cstring>

#include "kernels.h"
#include "world.h"

namespace standin {

namespace {

template <class T>
T at(const char* bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof(value));
  return value;
}

Image wrong(int code, const std::string& text) { return {code, text, ""}; }

// An ELF file ends behind its section headers or the last section's bytes.
size_t elf_bytes(const char* elf) {
  const auto sections = at<uint64_t>(elf, 40);
  const auto size = at<uint16_t>(elf, 58), count = at<uint16_t>(elf, 60);
  size_t end = sections + size_t{size} * count;
  for (size_t i = 0; i < count; i++) {
    const char* const header = elf + sections + i * size;
    if (at<uint32_t>(header, 4) != 8) end = std::max<size_t>(end, at<uint64_t>(header, 24) + at<uint64_t>(header, 32));
  }
  return end;
}

#ifdef STANDIN_HIP

// Numbers that the header of a code object has for each GPU (EF_AMDGPU_MACH, in LLVM's AMDGPU usage guide).
int machine_of(const std::string& name) {
  const std::pair<const char*, int> known[] = {{"gfx900", 0x2c}, {"gfx906", 0x2f}, {"gfx908", 0x30}, {"gfx90a", 0x3f}, {"gfx942", 0x4c},
                                               {"gfx1030", 0x36}, {"gfx1100", 0x41}, {"gfx1201", 0x4e}, {"gfx950", 0x4f}};
  for (const auto& [gpu, number] : known) {
    if (name == gpu) return number;
  }
  return -1;
}

Image read_code_object(const char* elf) {
  if (std::memcmp(elf, "\177ELF\2", 5) != 0) return wrong(constant::error_invalid_image, "neither a code object nor a bundle of them");
  if (at<uint16_t>(elf, 18) != 224) return wrong(constant::error_invalid_image, "an ELF file for another machine");
  const int machine = static_cast<int>(at<uint32_t>(elf, 48) & 0xff);
  if (machine != machine_of(pretended_arch().name)) {
    return wrong(constant::error_no_binary, "no code for " + pretended_arch().name + ", but for machine " + std::to_string(machine));
  }
  return {0, "", std::string(elf, elf_bytes(elf))};
}

constexpr std::string_view bundle = "__CLANG_OFFLOAD_BUNDLE__";

Image read_bundle(const char* image) {
  std::string names;
  size_t place = bundle.size() + 8;
  for (uint64_t i = 0; i < at<uint64_t>(image, bundle.size()); i++) {
    const auto offset = at<uint64_t>(image, place), length = at<uint64_t>(image, place + 16);
    const std::string id(image + place + 24, length);
    place += 24 + length;
    names += " " + id;
    // <kind>-<triple>--<gpu>[:features]
    const std::string gpu = id.substr(id.rfind("--") == std::string::npos ? 0 : id.rfind("--") + 2);
    if (gpu.substr(0, gpu.find(':')) == pretended_arch().name) return read_code_object(image + offset);
  }
  return wrong(constant::error_no_binary, "no code for " + pretended_arch().name + ", but for" + names);
}

#else

// A driver compiles PTX of its own version and older ones; 8.7 came with CUDA 12.8, or LOCKSTEP_STANDIN_PTX says which.
size_t newest_ptx() { return setting("LOCKSTEP_STANDIN_PTX", 87); }

constexpr uint32_t fatbin_magic = 0xba55ed50;
constexpr uint16_t kind_ptx = 1, kind_elf = 2;
constexpr uint64_t compressed = 0x2000 | 0x8000;

// A header of 16 bytes (magic, version, its size, the bytes that follow), then entries: kind, header's size, payload's size, the
// architecture at 28 and flags at 40.
Image read_fatbin(const char* image) {
  const auto header = at<uint16_t>(image, 6);
  const size_t end = header + at<uint64_t>(image, 8);
  const int wanted = pretended_arch().major * 10 + pretended_arch().minor;
  Image elf, ptx;
  int elf_arch = -1, ptx_arch = -1;
  std::string found;
  for (size_t place = header; place + 64 <= end;) {
    const char* const entry = image + place;
    const auto kind = at<uint16_t>(entry, 0);
    const auto skip = at<uint32_t>(entry, 4);
    const auto bytes = at<uint64_t>(entry, 8);
    const int arch = static_cast<int>(at<uint32_t>(entry, 28));
    if (skip < 64 || bytes > end - place - skip) return wrong(constant::error_invalid_image, "an entry of the fatbin ends behind it");
    const std::string payload = (at<uint64_t>(entry, 40) & compressed) != 0 ? "" : std::string(entry + skip, bytes);
    found += (kind == kind_ptx ? " compute_" : " sm_") + std::to_string(arch);
    // A cubin runs on its own generation, from its minor version on; PTX on all that are as new.
    if (kind == kind_elf && arch / 10 == wanted / 10 && arch <= wanted && arch > elf_arch) {
      if (!payload.empty() && (std::memcmp(payload.data(), "\177ELF", 4) != 0 || at<uint16_t>(payload.data(), 18) != 190)) {
        return wrong(constant::error_invalid_image, "a cubin of the fatbin is no CUDA ELF file");
      }
      elf = {0, "", payload};
      elf_arch = arch;
    }
    // Its version lies at 24, the minor one first.
    const size_t version = at<uint16_t>(entry, 26) * size_t{10} + at<uint16_t>(entry, 24);
    if (kind == kind_ptx && version <= newest_ptx() && arch <= wanted && arch > ptx_arch) {
      ptx = {0, "", payload};
      ptx_arch = arch;
    }
    place += skip + bytes;
  }
  if (elf_arch >= 0) return elf;
  if (ptx_arch >= 0) return ptx;
  return wrong(constant::error_no_binary, "no code for " + pretended_arch().name + ", but for" + found);
}

Image read_ptx(const std::string& text) {
  int major = 0, minor = 0, target = 0;
  const size_t version = text.find(".version"), line = text.find(".target");
  if (version == std::string::npos || std::sscanf(text.c_str() + version, ".version %d.%d", &major, &minor) != 2 ||
      line == std::string::npos || std::sscanf(text.c_str() + line, ".target sm_%d", &target) != 1) {
    return wrong(constant::error_invalid_ptx, "PTX without a version and a target");
  }
  if (static_cast<size_t>(major * 10 + minor) > newest_ptx()) {
    return wrong(constant::error_unsupported_ptx, "PTX of version " + std::to_string(major) + "." + std::to_string(minor));
  }
  if (target > pretended_arch().major * 10 + pretended_arch().minor) {
    return wrong(constant::error_no_binary, "PTX for sm_" + std::to_string(target) + ", which is newer than " + pretended_arch().name);
  }
  return {0, "", text};
}

#endif

}  // namespace

Image read_image(const void* image) {
  if (image == nullptr) return wrong(constant::error_invalid_value, "there is no image");
  const auto* const bytes = static_cast<const char*>(image);
#ifdef STANDIN_HIP
  return std::memcmp(bytes, bundle.data(), bundle.size()) == 0 ? read_bundle(bytes) : read_code_object(bytes);
#else
  if (at<uint32_t>(bytes, 0) == fatbin_magic) return read_fatbin(bytes);
  if (std::memcmp(bytes, "\177ELF\2", 5) == 0 && at<uint16_t>(bytes, 18) == 190) return {0, "", std::string(bytes, elf_bytes(bytes))};
  // PTX is text that ends with a zero.
  if (std::memcmp(bytes, "//", 2) == 0 || std::memcmp(bytes, ".version", 8) == 0) return read_ptx(bytes);
  return wrong(constant::error_invalid_image, "neither a fatbin nor PTX");
#endif
}

bool has_entry(const Image& image, const std::string& name) {
  using namespace std::string_literals;
  if (image.bytes.empty()) return true;
#ifdef STANDIN_HIP
  return image.bytes.find("\0"s + name + ".kd\0"s) != std::string::npos;
#else
  if (image.bytes.compare(0, 4, "\177ELF") == 0) return image.bytes.find("\0"s + name + "\0"s) != std::string::npos;
  return image.bytes.find(".entry " + name + "(") != std::string::npos;
#endif
}

}  // namespace standin
