#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "gpu/driver-constants.h"

// The state of a driver that runs nothing on any GPU: what a process holds, and what its streams have still to do. All of it is
// read and changed under `World::mutex`, which every entry takes.
namespace standin {

#ifdef STANDIN_HIP
namespace constant = lockstep::hip_constant;
#else
namespace constant = lockstep::cuda_constant;
#endif

// Thrown by work that goes wrong on the device: the context is dead from then on.
struct Fault {
  int code;
  std::string text;
};

// Reached once the work before it has run. Events hold the last of theirs.
struct Point {
  bool reached = false;
  std::chrono::steady_clock::time_point when;
};

// One thing that a stream, or a node of a graph, does. `ready`, where there is one, says whether it can be done now: it looks at
// what other ranks did, and is asked again later.
struct Action {
  std::string name;
  std::function<void()> run;
  std::function<bool()> ready;
};

struct Node {
  Action action;
  std::vector<size_t> after;
  void* handle = nullptr;
};

struct Graph {
  int device = 0;
  std::vector<Node> nodes;
};

struct Executable {
  std::shared_ptr<const Graph> graph;
  size_t bytes = 0;
  // Launches that have not ended. Only the oldest runs: a graph does not run beside itself.
  std::deque<uint64_t> launches;
};

// What a stream's thread of work is made of: an action, a wait for a point, the reaching of one, or the launch of a graph.
struct Item {
  Action action;
  std::shared_ptr<Point> wait, reach;
  std::shared_ptr<Executable> executable;
  uint64_t launch = 0;
  // Of a launch that has begun: how many nodes each node still waits for, and those that wait for none.
  std::vector<size_t> missing, free;
  size_t left = 0;
  bool begun = false;
};

struct Stream;

struct Capture {
  unsigned long long id = 0;
  int mode = 0;
  std::thread::id thread;
  bool invalid = false;
  Stream* origin = nullptr;
  std::shared_ptr<Graph> graph;
  std::vector<Stream*> streams;
};

// How far each stream of a capture had come, as another has seen it by waiting.
using Ticks = std::map<const Stream*, size_t>;

struct Stream {
  int device = 0;
  std::deque<Item> items;
  std::shared_ptr<Capture> capture;
  std::vector<size_t> last;
  std::vector<void*> last_handles;
  Ticks seen;
};

struct Event {
  int device = 0;
  unsigned flags = 0;
  std::shared_ptr<Point> point;
  // Where it was last recorded in a capture.
  std::shared_ptr<Capture> capture;
  std::vector<size_t> last;
  Ticks seen;
};

struct Device {
  size_t used = 0;
  int fault = 0;
  void* context = nullptr;
};

struct World {
  std::mutex mutex;
  bool started = false, ended = false;
  std::vector<Device> devices;
  std::map<void*, std::shared_ptr<Stream>> streams;
  // Destroyed while they had work left, which is still done.
  std::vector<std::shared_ptr<Stream>> orphans;
  std::map<void*, std::shared_ptr<Event>> events;
  std::map<void*, std::shared_ptr<Graph>> graphs;
  std::map<void*, std::shared_ptr<Executable>> executables;
  std::vector<std::shared_ptr<Capture>> captures;
  uint64_t seed = 0;
  std::mt19937_64 random;
  uintptr_t next_handle = 0;
  unsigned long long next_id = 0;

  // A handle that no address is: following it ends the program.
  void* handle() { return reinterpret_cast<void*>(0x5afe000000000000u + (next_handle += 64)); }
  size_t draw(size_t below) { return below < 2 ? 0 : static_cast<size_t>(random() % below); }
};

// One of a process; it is never destroyed, since threads may still call while the process ends.
World& world();

// What the calling thread has set for itself.
struct Current {
  int device = -1;
  int capture_mode = constant::capture_global;
};
Current& current();

size_t setting(const char* name, size_t otherwise);
std::string setting(const char* name);

template <class Map>
typename Map::mapped_type find(Map& map, void* handle) {
  const auto at = map.find(handle);
  return at == map.end() ? typename Map::mapped_type() : at->second;
}

}  // namespace standin
