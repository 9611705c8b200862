#include "bench.h"

namespace bench {

namespace {

template <class T>
void put(std::vector<char>& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof(value));
}

std::vector<char> elf(uint16_t machine, uint32_t flags, const std::string& names) {
  std::vector<char> bytes(64);
  std::memcpy(bytes.data(), "\177ELF\2\1\1", 7);
  put<uint16_t>(bytes, 18, machine);
  put<uint32_t>(bytes, 48, flags);
  bytes.insert(bytes.end(), names.begin(), names.end());
  // As if the section headers began at the end, with none.
  put<uint64_t>(bytes, 40, bytes.size());
  return bytes;
}

}  // namespace

std::vector<char> image_with(bool hip, const std::vector<std::string>& entries, int arch) {
  std::string names(1, '\0');
  for (const std::string& entry : entries) names += entry + (hip ? ".kd" : "") + '\0';
  const std::vector<char> code = elf(hip ? 224 : 190, hip ? static_cast<uint32_t>(arch) : 0, names);
  if (hip) return code;
  std::vector<char> fatbin(16 + 64);
  put<uint32_t>(fatbin, 0, 0xba55ed50);
  put<uint16_t>(fatbin, 4, 1);
  put<uint16_t>(fatbin, 6, 16);
  put<uint64_t>(fatbin, 8, 64 + code.size());
  put<uint16_t>(fatbin, 16, 2);
  put<uint32_t>(fatbin, 16 + 4, 64);
  put<uint64_t>(fatbin, 16 + 8, code.size());
  put<uint32_t>(fatbin, 16 + 28, static_cast<uint32_t>(arch));
  fatbin.insert(fatbin.end(), code.begin(), code.end());
  return fatbin;
}

}  // namespace bench
