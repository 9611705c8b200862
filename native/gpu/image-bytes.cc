#include "image-bytes.h"

#include <cstdint>
#include <cstring>

namespace lockstep {

namespace {

constexpr const char* CUT_OFF = "it ends before its own headers say; compile or copy it again";
// Machines of an ELF file, and sections without bytes in it.
constexpr int CUDA_MACHINE = 190;
constexpr int AMD_MACHINE = 224;
constexpr uint32_t NO_BITS = 8;
// NVIDIA's bundle of images, and clang's, with and without compression.
constexpr uint32_t FATBIN = 0xba55ed50;
constexpr const char* BUNDLE = "__CLANG_OFFLOAD_BUNDLE__";
constexpr const char* COMPRESSED_BUNDLE = "CCOB";

template <typename Number>
Number read(const std::string& bytes, uint64_t at) {
  Number number = 0;
  if (at <= bytes.size() && sizeof(number) <= bytes.size() - at) std::memcpy(&number, bytes.data() + at, sizeof(number));
  return number;
}

bool holds(const std::string& bytes, uint64_t begin, uint64_t length) { return begin <= bytes.size() && length <= bytes.size() - begin; }

std::string mistake_of_elf(Vendor vendor, const std::string& elf) {
  if (!holds(elf, 0, 64)) return CUT_OFF;
  const int machine = read<uint16_t>(elf, 18);
  if (machine != (vendor == Vendor::cuda ? CUDA_MACHINE : AMD_MACHINE)) {
    if (machine == CUDA_MACHINE) return "it is a cubin, for a device of kind cuda";
    if (machine == AMD_MACHINE) return "it is an AMD code object, for a device of kind hip";
    return "it is code for a CPU; a shared library of kernels runs on the host device";
  }
  const auto segments = read<uint64_t>(elf, 32);
  const uint64_t segment = read<uint16_t>(elf, 54);
  const uint64_t segment_count = read<uint16_t>(elf, 56);
  if (!holds(elf, segments, segment * segment_count)) return CUT_OFF;
  for (uint64_t i = 0; i < segment_count; i++) {
    const uint64_t header = segments + i * segment;
    if (!holds(elf, read<uint64_t>(elf, header + 8), read<uint64_t>(elf, header + 32))) return CUT_OFF;
  }
  const auto sections = read<uint64_t>(elf, 40);
  const uint64_t size = read<uint16_t>(elf, 58);
  const uint64_t count = read<uint16_t>(elf, 60);
  if (!holds(elf, sections, size * count)) return CUT_OFF;
  for (uint64_t i = 0; i < count; i++) {
    const uint64_t header = sections + i * size;
    if (read<uint32_t>(elf, header + 4) == NO_BITS) continue;
    if (!holds(elf, read<uint64_t>(elf, header + 24), read<uint64_t>(elf, header + 32))) return CUT_OFF;
  }
  return "";
}

std::string mistake_of_bundle(const std::string& bundle) {
  const size_t words = std::strlen(BUNDLE);
  const auto count = read<uint64_t>(bundle, words);
  uint64_t place = words + 8;
  for (uint64_t i = 0; i < count; i++) {
    if (!holds(bundle, place, 24)) return CUT_OFF;
    if (!holds(bundle, read<uint64_t>(bundle, place), read<uint64_t>(bundle, place + 8))) return CUT_OFF;
    const auto name = read<uint64_t>(bundle, place + 16);
    if (!holds(bundle, place + 24, name)) return CUT_OFF;
    place += 24 + name;
  }
  return "";
}

bool begins(const std::string& bytes, const char* with) { return bytes.compare(0, std::strlen(with), with) == 0; }

// PTX is text: its version comes first, after comments and blanks.
bool is_ptx(const std::string& text) { return text.find(".version") != std::string::npos && text.find(".target") != std::string::npos; }

}  // namespace

std::string mistake_of_image(Vendor vendor, const std::string& image) {
  if (begins(image, "\177ELF")) return mistake_of_elf(vendor, image);
  if (vendor == Vendor::hip) {
    if (begins(image, BUNDLE)) return mistake_of_bundle(image);
    if (begins(image, COMPRESSED_BUNDLE)) return image.size() < 24 ? CUT_OFF : "";
    return "it is neither an AMD code object nor a bundle of them";
  }
  if (read<uint32_t>(image, 0) == FATBIN) {
    return image.size() >= 16 && holds(image, read<uint16_t>(image, 6), read<uint64_t>(image, 8)) ? "" : CUT_OFF;
  }
  if (!is_ptx(image)) return "it is neither a cubin nor a fatbin nor PTX";
  // The zero at the end is added to what has none; one before it would hide the rest.
  const size_t end = image.find('\0');
  return end == std::string::npos || image.find_first_not_of('\0', end) == std::string::npos ? "" : "its PTX has a zero within the text";
}

}  // namespace lockstep
