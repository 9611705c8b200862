// A file as the memory of an ArrayBuffer: what is stored there is in the file's pages at once, and outlives the process.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "arguments.h"
#include "objects.h"

namespace lockstep {

namespace {

[[noreturn]] void refuse(const std::string& path, const char* what, int error) {
  throw DeviceError("ERR_INPUT_INVALID", path + " cannot be " + what + ": " + std::strerror(error), {{"path", path}, {"errno", error}});
}

// An open file that closes itself; closing it lets its lock go.
struct OpenFile {
  int descriptor;
  ~OpenFile() {
    if (descriptor >= 0) close(descriptor);
  }
};

// Gives a file the size back that it had.
struct UnlessDone {
  int descriptor;
  off_t bytes;
  ~UnlessDone() {
    // Where that fails too, the file is longer than it was, and holds what it held.
    if (descriptor >= 0 && ftruncate(descriptor, bytes) != 0) return;
  }
};

// Descriptors by the address of what they map: unlockFile() is given the memory alone.
struct MappedFiles {
  std::mutex mutex;
  std::unordered_map<void*, int> descriptors;
};

// Never destroyed: other threads may let memory go while the process ends.
MappedFiles& mapped() {
  static MappedFiles* const files = new MappedFiles();
  return *files;
}

struct Mapping {
  void* address;
  size_t bytes;
  int descriptor;
};

// By calls, which say where a file system that copies what it writes has no room; through the mapping that would end the process.
bool write_zeros(int descriptor, int64_t bytes) {
  const std::vector<char> zeros(static_cast<size_t>(std::min<int64_t>(bytes, 1 << 20)));
  for (int64_t at = 0; at < bytes;) {
    const auto count = static_cast<size_t>(std::min<int64_t>(bytes - at, static_cast<int64_t>(zeros.size())));
    const ssize_t written = pwrite(descriptor, zeros.data(), count, at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    at += written;
  }
  return true;
}

void unmap(napi_env, void*, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  {
    const std::lock_guard<std::mutex> lock(mapped().mutex);
    mapped().descriptors.erase(mapping->address);
  }
  munmap(mapping->address, mapping->bytes);
  close(mapping->descriptor);
  delete mapping;
}

}  // namespace

/*
 * Makes a file of so many bytes, all 0, and maps it. It is locked until its memory goes: a file that another process, or another call, has
 * mapped is refused and left as it is; the lock of a process that died is gone. Its room on the disk is taken now, since a page that finds
 * none later ends the process; a file that there is no room for keeps what it held.
 */
napi_value map_file(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    if (!info[0].IsString()) invalid_argument("path", info[0], "the path of a file");
    const int64_t bytes = integer_argument(info[1], "bytes");
    if (bytes < 1) invalid_argument("bytes", info[1], "at least 1");
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    if (path.find('\0') != std::string::npos) invalid_argument("path", info[0], "a path without a 0 in it");
    OpenFile file{open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644)};
    if (file.descriptor < 0) refuse(path, "opened", errno);
    struct stat facts;
    if (fstat(file.descriptor, &facts) != 0) refuse(path, "looked at", errno);
    if (!S_ISREG(facts.st_mode)) refuse(path, "mapped, since it is no regular file", EINVAL);
    if (flock(file.descriptor, LOCK_EX | LOCK_NB) != 0) {
      refuse(path, errno == EWOULDBLOCK ? "locked, since another run writes it" : "locked", errno);
    }
    if (fstat(file.descriptor, &facts) != 0) refuse(path, "looked at", errno);
    UnlessDone unless_done{file.descriptor, facts.st_size};
    const int room = posix_fallocate(file.descriptor, 0, bytes);
    if (room != 0) refuse(path, "given its room", room);
    void* address = mmap(nullptr, static_cast<size_t>(bytes), PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
    if (address == MAP_FAILED) refuse(path, "mapped", errno);
    auto* mapping = new Mapping{address, static_cast<size_t>(bytes), file.descriptor};
    napi_value buffer = nullptr;
    if (napi_create_external_arraybuffer(env, address, mapping->bytes, unmap, mapping, &buffer) != napi_ok) {
      munmap(address, mapping->bytes);
      delete mapping;
      throw DeviceError("ERR_NATIVE_UNAVAILABLE", "This runtime lends no outside memory to JavaScript.");
    }
    {
      const std::lock_guard<std::mutex> lock(mapped().mutex);
      mapped().descriptors.emplace(address, file.descriptor);
    }
    const int descriptor = std::exchange(file.descriptor, -1);
    unless_done.descriptor = -1;
    // What the file held before goes last, once little is left that could fail for lack of room.
    const bool shorter = facts.st_size <= bytes || ftruncate(descriptor, bytes) == 0;
    if (!shorter || !write_zeros(descriptor, std::min<int64_t>(facts.st_size, bytes))) {
      const int error = errno;
      flock(descriptor, LOCK_UN);
      refuse(path, shorter ? "cleared" : "shortened", error);
    }
    return buffer;
  });
}

// Lets go of the lock of a file that `map_file` gave; its memory stays until it is collected.
napi_value unlock_file(napi_env env, napi_callback_info raw) {
  return guarded(env, [&]() -> napi_value {
    const Napi::CallbackInfo info(env, raw);
    if (!info[0].IsArrayBuffer()) invalid_argument("memory", info[0], "memory that mapFile gave");
    const std::lock_guard<std::mutex> lock(mapped().mutex);
    const auto found = mapped().descriptors.find(info[0].As<Napi::ArrayBuffer>().Data());
    if (found == mapped().descriptors.end()) invalid_argument("memory", info[0], "memory that mapFile gave");
    flock(found->second, LOCK_UN);
    return nullptr;
  });
}

}  // namespace lockstep
