#include "helpers.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <system_error>
#include <thread>

#include "core/condition-variable.h"

namespace lockstep {

namespace {

// Threads that wait for parts of a launch. They live as long as the process, and so does this: nothing is to be ended at exit.
class Helpers {
 public:
  void share_out(int parts, int threads, void (*part)(void*, int), void* context) {
    const std::unique_lock<std::mutex> caller(caller_, std::try_to_lock);
    if (!caller.owns_lock() || getpid() != process_) {
      for (int index = 0; index < parts; index++) part(context, index);
      return;
    }
    start(threads - 1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      part_ = part;
      context_ = context;
      parts_ = parts;
      next_.store(0, std::memory_order_relaxed);
      round_++;
    }
    ready_.notify_all();
    take_parts(part, context, parts);
    std::unique_lock<std::mutex> lock(mutex_);
    // One that wakes later finds no parts.
    parts_ = 0;
    done_.wait(lock, [this] { return working_ == 0; });
  }

 private:
  // Helpers up to `count`, as many as the system gives.
  void start(int count) {
    if (started_ >= count) return;
    // The main thread handles signals.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
      for (; started_ < count; started_++) std::thread([this] { help(); }).detach();
    } catch (const std::system_error&) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  void help() {
    pthread_setname_np(pthread_self(), "lockstep-kernel");
    std::unique_lock<std::mutex> lock(mutex_);
    for (unsigned long long seen = 0;;) {
      ready_.wait(lock, [&] { return round_ != seen && parts_ > 0; });
      seen = round_;
      const auto part = part_;
      void* const context = context_;
      const int parts = parts_;
      working_++;
      lock.unlock();
      take_parts(part, context, parts);
      lock.lock();
      if (--working_ == 0) done_.notify_one();
    }
  }

  void take_parts(void (*part)(void*, int), void* context, int parts) {
    for (int index = next_++; index < parts; index = next_++) part(context, index);
  }

  const pid_t process_ = getpid();
  // Held by the thread whose launch is shared out.
  std::mutex caller_;
  int started_ = 0;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::condition_variable done_;
  void (*part_)(void*, int) = nullptr;
  void* context_ = nullptr;
  int parts_ = 0;
  unsigned long long round_ = 0;
  int working_ = 0;
  std::atomic<int> next_{0};
};

}  // namespace

void share_out(int parts, int threads, void (*part)(void*, int), void* context) {
  static Helpers* const helpers = new Helpers;
  helpers->share_out(parts, threads, part, context);
}

}  // namespace lockstep
