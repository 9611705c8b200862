#include "mpi-window.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <vector>

namespace lockstep {

namespace {

constexpr size_t line_words = 16;
constexpr int host_name_words = 17;

size_t whole_lines(size_t words) { return (words + line_words - 1) / line_words * line_words; }

// What a rank tells of itself.
struct Offer {
  int32_t host;
  int32_t host_name[host_name_words];
  int32_t process;
  // Of rank 0: the memory's descriptor, -1 where it could make none, and its file's number, by which the others know it.
  int32_t descriptor;
  int32_t inode[2];
};
constexpr int offer_words = sizeof(Offer) / sizeof(int32_t);

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

int make_memory(size_t bytes) {
  // A file beyond this limit would end the process.
  struct rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes)) return -1;
  const int memory = memfd_create("lockstep-mpi", MFD_CLOEXEC);
  if (memory < 0 || ftruncate(memory, static_cast<off_t>(bytes)) == 0) return memory;
  ::close(memory);
  return -1;
}

bool inode_of(int descriptor, size_t bytes, int32_t (&words)[2]) {
  struct stat found;
  if (descriptor < 0 || fstat(descriptor, &found) != 0 || static_cast<size_t>(found.st_size) != bytes) return false;
  const uint64_t inode = found.st_ino;
  std::memcpy(words, &inode, sizeof(words));
  return true;
}

bool on_one_host(const std::vector<Offer>& offers) {
  return std::all_of(offers.begin(), offers.end(), [&](const Offer& offer) {
    return offer.host == offers[0].host && std::equal(std::begin(offer.host_name), std::end(offer.host_name), std::begin(offers[0].host_name));
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
  Offer offer = {};
  offer.host = host;
  struct utsname name;
  if (uname(&name) == 0) std::memcpy(offer.host_name, name.nodename, std::min(sizeof(offer.host_name), sizeof(name.nodename)));
  offer.process = static_cast<int32_t>(getpid());
  offer.descriptor = inode_of(own.number, bytes, offer.inode) ? own.number : -1;
  std::vector<Offer> offers(static_cast<size_t>(size_));
  const MpiLibrary& library = world.library;
  world.check(library.allgather(&offer, offer_words, library.int32, offers.data(), offer_words, library.int32, world.comm), "MPI_Allgather");
  const Offer& made = offers[0];
  if (made.descriptor < 0 || !on_one_host(offers)) return;

  const std::string path = "/proc/" + std::to_string(made.process) + "/fd/" + std::to_string(made.descriptor);
  const Descriptor opened(rank_ == 0 ? -1 : ::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const int memory = rank_ == 0 ? own.number : opened.number;
  int32_t inode[2] = {};
  void* mapped = MAP_FAILED;
  if (inode_of(memory, bytes, inode) && std::equal(inode, inode + 2, made.inode)) {
    mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory, 0);
  }
  // Until all have opened it, rank 0 keeps its descriptor.
  const int32_t has = mapped != MAP_FAILED ? 1 : 0;
  std::vector<int32_t> all(static_cast<size_t>(size_));
  world.check(library.allgather(&has, 1, library.int32, all.data(), 1, library.int32, world.comm), "MPI_Allgather");
  if (std::all_of(all.begin(), all.end(), [](int32_t one) { return one == 1; })) base_ = static_cast<int32_t*>(mapped);
  else if (has == 1) munmap(mapped, bytes);
}

void MpiWindow::count_sent(int tag, int to) const {
  if (!holds(tag)) return;
  int32_t* const count = sent(tag, rank_, to);
  __atomic_store_n(count, static_cast<int32_t>(static_cast<uint32_t>(*count) + 1), __ATOMIC_RELEASE);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}

}  // namespace lockstep
