#include "mpi-process.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cerrno>
#include <thread>

#include "core/error.h"

namespace lockstep {

namespace {

using Clock = std::chrono::steady_clock;

// How long a wait lets other threads run between two looks before it sleeps, and how long it sleeps at first and after 10 ms.
constexpr double yield_ms = 1;
constexpr double nap_ms = 10;
constexpr std::chrono::microseconds short_nap{50};
constexpr std::chrono::microseconds long_nap{500};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// The pause between two looks of a wait that began at `begin`.
class Pause {
 public:
  explicit Pause(int spins) : begin_(Clock::now()), spins_(spins), awake_ms_(spins > 0 ? yield_ms : 0) {}

  double passed() const { return ms_since(begin_); }

  void operator()() {
    if (spins_ > 0) {
      spins_--;
      return;
    }
    const double ms = passed();
    if (ms < awake_ms_) sched_yield();
    else std::this_thread::sleep_for(ms < nap_ms ? short_nap : long_nap);
  }

 private:
  const Clock::time_point begin_;
  int spins_;
  const double awake_ms_;
};

// MPI installs handlers of its own and starts threads: signals stay with Node, in what they do and in which threads take them.
class SignalsKept {
 public:
  SignalsKept() {
    for (int i = 0; i < count; i++) sigaction(numbers[i], nullptr, &kept_[i]);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &mask_);
  }
  SignalsKept(const SignalsKept&) = delete;
  SignalsKept& operator=(const SignalsKept&) = delete;
  ~SignalsKept() {
    for (int i = 0; i < count; i++) sigaction(numbers[i], &kept_[i], nullptr);
    pthread_sigmask(SIG_SETMASK, &mask_, nullptr);
  }

 private:
  static constexpr int numbers[] = {SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGINT, SIGTERM, SIGCHLD, SIGPIPE, SIGUSR1, SIGUSR2};
  static constexpr int count = sizeof(numbers) / sizeof(numbers[0]);
  struct sigaction kept_[count];
  sigset_t mask_;
};

DeviceError unavailable(const std::string& reason) {
  return DeviceError("ERR_TRANSPORT_UNAVAILABLE", "MPI cannot be used: " + reason, {{"transport", std::string("mpi")}});
}

}  // namespace

MpiProcess& MpiProcess::here() {
  static MpiProcess* const process = new MpiProcess();
  return *process;
}

std::string MpiProcess::load(const std::string& name) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::none) return "";
  MpiLibrary library = {};
  std::string reason = library.open(name);
  if (reason.empty()) {
    library_ = library;
    loaded_ = true;
  }
  return reason;
}

std::string MpiProcess::version() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return loaded_ ? library_.version() : "";
}

bool MpiProcess::start(int32_t host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ == State::started) return false;
  if (state_ == State::finalized) throw unavailable("it has ended in this process, and starts only once.");
  if (!loaded_) throw unavailable("no library is loaded.");
  int before = 0;
  library_.initialized(&before);
  int level = mpi_thread_serialized;
  if (before == 0) {
    const SignalsKept kept;
    if (library_.init_thread(nullptr, nullptr, mpi_thread_serialized, &level) != mpi_success) {
      throw unavailable("MPI_Init_thread failed; its own message is on standard error.");
    }
  }
  if (level < mpi_thread_serialized) throw unavailable("this build of it serves one thread of a process only.");
  library_.comm_set_errhandler(library_.world, library_.errors_return);
  check(library_.comm_dup(library_.world, &comm_), "MPI_Comm_dup");
  check(library_.comm_set_errhandler(comm_, library_.errors_return), "MPI_Comm_set_errhandler");
  check(library_.comm_rank(comm_, &rank_), "MPI_Comm_rank");
  check(library_.comm_size(comm_, &size_), "MPI_Comm_size");
  const int32_t place[2] = {static_cast<int32_t>(getpid()), host};
  places_.assign(static_cast<size_t>(size_) * 2, 0);
  check(library_.allgather(place, 2, library_.int32, places_.data(), 2, library_.int32, comm_), "MPI_Allgather");
  state_ = State::started;
  return true;
}

void MpiProcess::allgather(int words, int rounds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  const std::vector<int32_t> row(static_cast<size_t>(words), rank_);
  std::vector<int32_t> table(static_cast<size_t>(words) * static_cast<size_t>(size_));
  for (int round = 0; round < rounds; round++) {
    check(library_.allgather(row.data(), words, library_.int32, table.data(), words, library_.int32, comm_), "MPI_Allgather");
  }
}

void MpiProcess::send(int peer, int tag, const int32_t* words, int count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  progress_sends();
  if (spare_.empty()) spare_.emplace_back();
  Message& message = spare_.front();
  message.words.assign(words, words + count);
  message.peer = peer;
  message.tag = tag;
  check(library_.isend(message.words.data(), count, library_.int32, peer, tag, comm_, &message.request), "MPI_Isend", peer);
  if (!complete(message, "MPI_Isend")) sending_.splice(sending_.end(), spare_, spare_.begin());
}

MpiArrival MpiProcess::receive(int tag, int32_t* words, int capacity, double ms, int spins) {
  Pause pause(spins);
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      require_started();
      progress_sends();
      auto message = std::find_if(receiving_.begin(), receiving_.end(), [&](const Message& one) { return one.tag == tag; });
      MpiStatus status;
      if (message == receiving_.end() && probe(tag, status)) {
        int count = 0;
        check(library_.get_count(&status, library_.int32, &count), "MPI_Get_count", status.source);
        if (spare_.empty()) spare_.emplace_back();
        receiving_.splice(receiving_.end(), spare_, spare_.begin());
        message = std::prev(receiving_.end());
        message->words.resize(static_cast<size_t>(std::max(count, 1)));
        message->peer = status.source;
        message->tag = tag;
        check(library_.irecv(message->words.data(), count, library_.int32, status.source, tag, comm_, &message->request),
              "MPI_Irecv", status.source);
      }
      if (message != receiving_.end() && complete(*message, "MPI_Irecv")) {
        const MpiArrival arrival = {message->peer, static_cast<int>(message->words.size())};
        std::copy_n(message->words.begin(), std::min(arrival.words, capacity), words);
        spare_.splice(spare_.begin(), receiving_, message);
        return arrival;
      }
    }
    if (pause.passed() >= ms) return {-1, 0};
    pause();
  }
}

bool MpiProcess::wait(int tag, double ms, uint32_t pokes) {
  Pause pause(0);
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ != State::started || pokes_ != pokes) return false;
      progress_sends();
      MpiStatus status;
      if (probe(tag, status)) return true;
    }
    if (pause.passed() >= ms) return false;
    pause();
  }
}

bool MpiProcess::peer_ended(int peer) const {
  const size_t at = static_cast<size_t>(peer) * 2;
  if (places_[at + 1] != places_[static_cast<size_t>(rank_) * 2 + 1]) return false;
  return kill(static_cast<pid_t>(places_[at]), 0) != 0 && errno == ESRCH;
}

void MpiProcess::abort(int code) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ == State::started) library_.abort(comm_, code);
}

void MpiProcess::finalize() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::started) return;
  state_ = State::finalized;
  library_.finalize();
}

void MpiProcess::require_started() const {
  if (state_ == State::started) return;
  throw DeviceError("ERR_DISPOSED", "MPI has ended in this process, or was never started; no message can be sent or received.");
}

void MpiProcess::check(int code, const char* call, int peer) const {
  if (code == mpi_success) return;
  char text[8 * mpi_max_error_string] = {};
  int length = 0;
  library_.error_string(code, text, &length);
  throw DeviceError("ERR_RANK_LOST", std::string(call) + " failed: " + text + ".",
                    {{"rank", peer >= 0 ? peer : rank_}, {"call", std::string(call)}, {"mpiError", code}});
}

void MpiProcess::progress_sends() {
  for (auto message = sending_.begin(); message != sending_.end();) {
    const auto next = std::next(message);
    if (complete(*message, "MPI_Isend")) spare_.splice(spare_.begin(), sending_, message);
    message = next;
  }
}

bool MpiProcess::complete(Message& message, const char* call) {
  int done = 0;
  MpiStatus status;
  check(library_.test(&message.request, &done, &status), call, message.peer);
  return done != 0;
}

bool MpiProcess::probe(int tag, MpiStatus& status) {
  int found = 0;
  check(library_.iprobe(mpi_any_source, tag, comm_, &found, &status), "MPI_Iprobe");
  return found != 0;
}

}  // namespace lockstep
