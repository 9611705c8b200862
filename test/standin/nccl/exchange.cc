#include "exchange.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

namespace standin {

Exchange::Exchange(const std::string& id) : folder_("/dev/shm/lockstep-nccl-" + id) { mkdir(folder_.c_str(), 0700); }

bool Exchange::put(const std::string& name, const std::string& bytes) const {
  static std::atomic<unsigned long> next{0};
  const std::string place = folder_ + "/" + name, made = place + ".making." + std::to_string(getpid()) + "." + std::to_string(next++);
  std::ofstream(made, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  // A link fails where a rename would replace.
  const bool first = link(made.c_str(), place.c_str()) == 0;
  unlink(made.c_str());
  return first;
}

bool Exchange::has(const std::string& name) const { return access((folder_ + "/" + name).c_str(), F_OK) == 0; }

std::string Exchange::get(const std::string& name) const {
  std::ifstream file(folder_ + "/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Exchange::drop(const std::string& name) const { unlink((folder_ + "/" + name).c_str()); }

void Exchange::end() const {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string drawn_id() {
  std::random_device device;
  std::string id;
  for (int i = 0; i < 4; i++) id += std::to_string(device()) + (i < 3 ? "-" : "");
  return id;
}

}  // namespace standin
