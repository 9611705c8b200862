#pragma once

#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

namespace lockstep {

// A thread of the addon. It handles no signals, which are the process's own threads'. Throws what std::thread throws.
template <typename Body>
std::thread start_thread(Body body) {
  // A thread inherits the mask of the one that starts it.
  struct Masked {
    Masked() {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    ~Masked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    sigset_t before;
  } const masked;
  return std::thread(std::move(body));
}

}  // namespace lockstep
