#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "addon/backends.h"
#include "collectives/local-communicator.h"
#include "collectives/nccl-group.h"
#include "core/graph.h"
#include "core/pool.h"
#include "core/stream.h"

// Ranks as threads with a device each.
namespace threads {

using namespace lockstep;

inline void check(bool good, const std::string& complaint) {
  if (!good) throw std::runtime_error(complaint);
}

// Throws what DeviceError says, with its code, as a text that main() prints.
inline void plainly(const std::function<void()>& work) {
  try {
    work();
  } catch (const DeviceError& error) {
    throw std::runtime_error(error.code + ": " + error.message);
  }
}

inline std::string code_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const DeviceError& error) {
    return error.code;
  }
  return "none";
}

// Each rank's work on a thread of its own; the first complaint is thrown.
inline void on_threads(int size, const std::function<void(int)>& work) {
  std::vector<std::thread> all;
  std::vector<std::string> complaints(static_cast<size_t>(size));
  for (int number = 0; number < size; number++) {
    all.emplace_back([&, number] {
      try {
        plainly([&] { work(number); });
      } catch (const std::exception& error) {
        complaints[static_cast<size_t>(number)] = error.what();
      }
    });
  }
  for (auto& thread : all) thread.join();
  for (const std::string& complaint : complaints) check(complaint.empty(), complaint);
}

// Within half a minute, as a promise waits.
inline bool reached(Mark& mark) {
  for (int slice = 0; slice < 600; slice++) {
    if (mark.wait(50).done) return true;
  }
  return false;
}

// A device of the calling thread, with three streams, the kernels of the build and a pool.
struct Rank {
  std::shared_ptr<Device> device;
  std::array<std::shared_ptr<Stream>, 3> streams;
  std::shared_ptr<LoadedModule> kernels;
  std::shared_ptr<Pool> pool;

  explicit Rank(const std::string& name) {
    device = std::make_shared<Device>(open_backend(*parse_device_name(name), std::nullopt, {}).backend, -1);
    for (auto& stream : streams) stream = device->create_stream(0);
    kernels = device->load_module(nullptr);
    pool = std::make_shared<Pool>(*device);
  }
  ~Rank() { device->close(); }

  size_t kernel_of(const char* name) {
    size_t kernel = 0;
    while (std::string(kernels->module->kernels[kernel].name) != name) kernel++;
    return kernel;
  }
  // All words of it.
  void fill(Stream& stream, const std::shared_ptr<Buffer>& buffer, int32_t value) {
    stream.launch(kernels, kernel_of("fill"), {{buffer, 0, 0}, {nullptr, 0, value}, {nullptr, 0, static_cast<int64_t>(buffer->bytes / 4)}});
  }
  void upload(Stream& stream, const std::shared_ptr<Buffer>& buffer, const std::vector<int32_t>& values) {
    stream.upload(buffer, 0, reinterpret_cast<const std::byte*>(values.data()), values.size() * 4);
  }
  void finish(Stream& stream) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!stream.wait_slice(50)) check(std::chrono::steady_clock::now() < end, "a stream did not end");
  }
  void expect(Stream& stream, const std::shared_ptr<Buffer>& buffer, const std::vector<int32_t>& values, const char* what) {
    const auto piece = stream.download(buffer, 0, values.size() * 4);
    finish(stream);
    const auto* const words = reinterpret_cast<const int32_t*>(piece->host());
    check(std::vector<int32_t>(words, words + values.size()) == values, std::string(what) + " is not what was expected");
  }
};

}  // namespace threads
