#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "bench.h"
#include "collectives/nccl.h"

// Ranks of one communicator over the stand-ins, as threads of a process or as processes.
namespace bench {

inline lockstep::Nccl open_nccl(const char* library) {
  void* const opened = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (opened == nullptr) throw std::runtime_error(dlerror());
  lockstep::Nccl nccl;
#define ROW(field, result, parameters, symbol, need) nccl.field = reinterpret_cast<decltype(nccl.field)>(dlsym(opened, symbol));
#include "collectives/nccl-symbols.inc"
#undef ROW
  return nccl;
}

struct Libraries {
  const char* driver;
  const char* nccl;
  bool hip;
};

// A rank with its device, its stream and its communicator; blocking unless `config` says other.
struct Rank {
  Bench b;
  lockstep::Nccl n;
  int ranks, rank;
  void* stream = nullptr;
  void* communicator = nullptr;
  int made = 0;

  Rank(const Libraries& libraries, const lockstep::NcclUniqueId& id, int ranks, int rank, lockstep::NcclConfig config = {}, int device = -1)
      : b(libraries.driver, libraries.hip), n(open_nccl(libraries.nccl)), ranks(ranks), rank(rank) {
    succeed(b.d.init(0), "init");
    b.use(device < 0 ? rank : device);
    stream = b.stream();
    made = n.init(&communicator, ranks, id, rank, &config);
  }

  uint64_t words(const std::vector<int>& values) {
    const uint64_t memory = b.memory(values.size() * 4);
    succeed(b.d.copy_to_device(memory, values.data(), values.size() * 4, stream), "copy_to_device");
    return memory;
  }
  std::vector<int> read(uint64_t memory, size_t count) {
    auto* const host = b.pinned<int>(count);
    succeed(b.d.copy_to_host(host, memory, count * 4, stream), "copy_to_host");
    b.wait(stream);
    std::vector<int> values(host, host + count);
    succeed(b.d.host_free(host), "host_free");
    return values;
  }
  int health() {
    int code = 0;
    succeed(n.async_error(communicator, &code), "async_error");
    return code;
  }
};

inline const void* in(uint64_t address) { return reinterpret_cast<const void*>(address); }
inline void* out(uint64_t address) { return reinterpret_cast<void*>(address); }

using Work = std::function<void(const lockstep::NcclUniqueId&, int rank)>;

inline lockstep::NcclUniqueId fresh_id(const Libraries& libraries) {
  lockstep::NcclUniqueId id;
  succeed(open_nccl(libraries.nccl).unique_id(&id), "unique_id");
  return id;
}

// Every rank's work on a thread of its own; the first complaint is thrown.
inline void on_threads(const Libraries& libraries, int ranks, const Work& work) {
  const lockstep::NcclUniqueId id = fresh_id(libraries);
  std::vector<std::thread> threads;
  std::vector<std::string> complaints(static_cast<size_t>(ranks));
  for (int rank = 0; rank < ranks; rank++) {
    threads.emplace_back([&, rank] {
      try {
        work(id, rank);
      } catch (const std::exception& error) {
        complaints[static_cast<size_t>(rank)] = error.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const std::string& complaint : complaints) check(complaint.empty(), complaint);
}

// The same in processes, none of which has opened the driver before.
inline void in_processes(const Libraries& libraries, int ranks, const Work& work) {
  const lockstep::NcclUniqueId id = fresh_id(libraries);
  std::vector<pid_t> children;
  for (int rank = 0; rank < ranks; rank++) {
    const pid_t child = fork();
    if (child == 0) {
      try {
        work(id, rank);
        _exit(0);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
        _exit(1);
      }
    }
    children.push_back(child);
  }
  bool good = true;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    good = good && status == 0;
  }
  check(good, "a rank failed");
}

using Behaviour = std::pair<const char*, std::function<void(const Libraries&)>>;
std::vector<Behaviour> collective_rules();

}  // namespace bench
