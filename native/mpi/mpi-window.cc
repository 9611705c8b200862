#include "mpi-window.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace lockstep {

namespace {

constexpr size_t line_words = 16;
constexpr int host_name_words = 17;

// Raised whenever what lies in the memory changes, or what ranks may rely on who write there.
constexpr int32_t layout_version = 1;

constexpr const char* memory_name = "lockstep-mpi";
// What the system calls it, for it is in no folder.
constexpr const char* memory_path = "/memfd:lockstep-mpi (deleted)";

size_t whole_lines(size_t words) { return (words + line_words - 1) / line_words * line_words; }

// By which a file is known: its device and its number there.
struct FileId {
  uint64_t device;
  uint64_t inode;
  bool operator==(const FileId& other) const { return device == other.device && inode == other.inode; }
};

// What a rank tells of itself. Its size stays, and `layout` where it is: ranks of two versions exchange it.
struct Offer {
  FileId file;
  int32_t layout;
  int32_t host;
  int32_t host_name[host_name_words];
  int32_t process;
  // Of rank 0, as `file` is: the memory's descriptor, -1 where it could make none.
  int32_t descriptor;
  int32_t reserved[7];
};
constexpr int offer_words = 32;
static_assert(sizeof(Offer) == offer_words * sizeof(int32_t));

// A descriptor that is closed at the end.
struct Descriptor {
  explicit Descriptor(int number) : number(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
  const int number;
};

// Memory that is mapped, and no longer at the end unless it is kept.
class Mapping {
 public:
  Mapping(int descriptor, size_t bytes) : bytes_(bytes) {
    if (descriptor >= 0) address_ = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (is_there()) munmap(address_, bytes_);
  }
  bool is_there() const { return address_ != MAP_FAILED; }
  void* keep() { return std::exchange(address_, MAP_FAILED); }

 private:
  const size_t bytes_;
  void* address_ = MAP_FAILED;
};

// A descriptor of new memory that never becomes shorter, so that no rank is ended by SIGBUS; -1 where none can be made.
int make_memory(size_t bytes) {
  // A file beyond this limit would end the process.
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)) return -1;
  // Never a program; Linux knows that from 6.3 on.
  constexpr unsigned no_exec = 0x8;
  int memory = memfd_create(memory_name, MFD_CLOEXEC | MFD_ALLOW_SEALING | no_exec);
  if (memory < 0 && errno == EINVAL) memory = memfd_create(memory_name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memory < 0) return -1;
  if (ftruncate(memory, static_cast<off_t>(bytes)) == 0 && fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0) return memory;
  ::close(memory);
  return -1;
}

// The file of a descriptor, where it has so many bytes.
std::optional<FileId> file_of(int descriptor, size_t bytes) {
  struct stat found;
  if (descriptor < 0 || fstat(descriptor, &found) != 0 || static_cast<size_t>(found.st_size) != bytes) return std::nullopt;
  return FileId{found.st_dev, found.st_ino};
}

// A descriptor of the memory that rank 0 made; -1 where it cannot be opened. What else that process may have there is not opened, or closed again.
int open_memory(const Offer& made, size_t bytes) {
  const std::string path = "/proc/" + std::to_string(made.process) + "/fd/" + std::to_string(made.descriptor);
  char target[64] = {};
  if (readlink(path.c_str(), target, sizeof(target) - 1) < 0 || std::strcmp(target, memory_path) != 0) return -1;
  const int opened = ::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (file_of(opened, bytes) == made.file) return opened;
  if (opened >= 0) ::close(opened);
  return -1;
}

// Whether all ranks run on one host, and know the same memory.
bool share_memory(const std::vector<Offer>& offers) {
  return std::all_of(offers.begin(), offers.end(), [&](const Offer& offer) {
    return offer.layout == offers[0].layout && offer.host == offers[0].host &&
           std::equal(std::begin(offer.host_name), std::end(offer.host_name), std::begin(offers[0].host_name));
  });
}

}  // namespace

void MpiWindow::open(const MpiWorld& world, int32_t host) {
  rank_ = world.rank;
  size_ = world.size;
  if (size_ == 1) return;
  counts_ = whole_lines(static_cast<size_t>(size_));
  slot_ = whole_lines(2 + static_cast<size_t>(size_) + max_words);
  const size_t bytes = sizeof(int32_t) * max_groups * static_cast<size_t>(size_) * (counts_ + 2 * slot_);

  const Descriptor own(rank_ == 0 ? make_memory(bytes) : -1);
  const std::optional<FileId> file = file_of(own.number, bytes);
  Offer offer = {};
  offer.file = file.value_or(FileId{});
  offer.layout = layout_version;
  offer.host = host;
  struct utsname name = {};
  if (uname(&name) == 0) std::memcpy(offer.host_name, name.nodename, std::min(sizeof(offer.host_name), sizeof(name.nodename)));
  offer.process = static_cast<int32_t>(getpid());
  offer.descriptor = file ? own.number : -1;
  std::vector<Offer> offers(static_cast<size_t>(size_));
  const MpiLibrary& library = world.library;
  world.check(library.allgather(&offer, offer_words, library.int32, offers.data(), offer_words, library.int32, world.comm), "MPI_Allgather");
  if (offers[0].descriptor < 0 || !share_memory(offers)) return;

  const Descriptor opened(rank_ == 0 ? -1 : open_memory(offers[0], bytes));
  Mapping mapping(rank_ == 0 ? own.number : opened.number, bytes);
  // Until all have opened it, rank 0 keeps its descriptor.
  const int32_t has = mapping.is_there() ? 1 : 0;
  std::vector<int32_t> all(static_cast<size_t>(size_));
  world.check(library.allgather(&has, 1, library.int32, all.data(), 1, library.int32, world.comm), "MPI_Allgather");
  if (std::all_of(all.begin(), all.end(), [](int32_t one) { return one == 1; })) base_ = static_cast<int32_t*>(mapping.keep());
}

void MpiWindow::count_sent(int tag, int to) const {
  if (!holds(tag)) return;
  int32_t* const count = sent(tag, rank_, to);
  __atomic_store_n(count, static_cast<int32_t>(static_cast<uint32_t>(*count) + 1), __ATOMIC_RELEASE);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace lockstep
