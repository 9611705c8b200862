#include "mpi-process.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cerrno>
#include <exception>
#include <system_error>
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

// How long MPI_Abort may take, which at times waits until the launcher kills the process.
constexpr std::chrono::seconds abort_time{2};

// How long the end waits for sends to be complete.
constexpr double last_sends_ms = 500;

// Looks at the window between two pauses. A wait asks MPI only as it ends, but for messages that the window knows of: where ranks share cores, MPI lets others
// run each time that it finds nothing.
constexpr int window_looks = 16;

// How long it counts that nothing had come.
constexpr std::chrono::milliseconds fresh{1};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// The pause between two looks of a wait, which begins when it is first asked for its time.
class Pause {
 public:
  explicit Pause(int spins) : spins_(spins), awake_ms_(spins > 0 ? yield_ms : 0) {}

  // Whether the next pause is none.
  bool spins() const { return spins_ > 0; }
  Clock::time_point begin() {
    if (begin_ == Clock::time_point()) begin_ = Clock::now();
    return begin_;
  }
  double passed() { return ms_since(begin()); }

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
  Clock::time_point begin_ = {};
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
    world_.library = library;
    loaded_ = true;
  }
  return reason;
}

std::string MpiProcess::version() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return loaded_ ? world_.library.version() : "";
}

bool MpiProcess::start(int32_t host) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ == State::started) return false;
  if (state_ == State::finalized) throw unavailable("it has ended in this process, and starts only once.");
  if (!loaded_) throw unavailable("no library is loaded.");
  int before = 0;
  world_.library.initialized(&before);
  int level = mpi_thread_serialized;
  if (before == 0) {
    const SignalsKept kept;
    if (world_.library.init_thread(nullptr, nullptr, mpi_thread_serialized, &level) != mpi_success) {
      throw unavailable("MPI_Init_thread failed; its own message is on standard error.");
    }
  } else {
    world_.check(world_.library.query_thread(&level), "MPI_Query_thread");
  }
  if (level < mpi_thread_serialized) throw unavailable("this build of it serves one thread of a process only.");
  world_.library.comm_set_errhandler(world_.library.world, world_.library.errors_return);
  world_.check(world_.library.comm_dup(world_.library.world, &world_.comm), "MPI_Comm_dup");
  world_.check(world_.library.comm_set_errhandler(world_.comm, world_.library.errors_return), "MPI_Comm_set_errhandler");
  world_.check(world_.library.comm_rank(world_.comm, &world_.rank), "MPI_Comm_rank");
  world_.check(world_.library.comm_size(world_.comm, &world_.size), "MPI_Comm_size");
  const int32_t place[2] = {static_cast<int32_t>(getpid()), host};
  places_.assign(static_cast<size_t>(world_.size) * 2, 0);
  world_.check(world_.library.allgather(place, 2, world_.library.int32, places_.data(), 2, world_.library.int32, world_.comm), "MPI_Allgather");
  window_.open(world_, host);
  state_ = State::started;
  return true;
}

void MpiProcess::allgather(int words, int rounds) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  const std::vector<int32_t> row(static_cast<size_t>(words), world_.rank);
  std::vector<int32_t> table(static_cast<size_t>(words) * static_cast<size_t>(world_.size));
  for (int round = 0; round < rounds; round++) {
    world_.check(world_.library.allgather(row.data(), words, world_.library.int32, table.data(), words, world_.library.int32, world_.comm), "MPI_Allgather");
  }
}

int MpiProcess::open_group(int tag, int capacity, MpiBoard board) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  groups_.emplace_back(world_, window_, tag, capacity, board).open();
  return static_cast<int>(groups_.size()) - 1;
}

void MpiProcess::close_group(int group) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ == State::started) group_at(group).close();
}

void MpiProcess::send(int peer, int tag, const int32_t* words, int count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  sends_.progress();
  sends_.send(peer, tag, words, count);
  // An earlier message that could not be sent, be it to another peer, keeps this one from no peer.
  tell_failed();
}

bool MpiProcess::publish(int number) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_ == State::started && group_at(number).publish();
}

size_t MpiProcess::sending(int tag, int peer) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  return sends_.under_way(tag, peer);
}

MpiArrival MpiProcess::receive(int number, int32_t* words, int capacity, double ms, int spins) {
  Pause pause(spins);
  for (;;) {
    const bool over = pause.passed() >= ms;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      require_started();
      sends_.progress();
      tell_failed();
      MpiGroup& group = group_at(number);
      const bool asks = !group.has_window() || (over && (ms > 0 || spins == 0));
      bool any = false;
      if (group.take_rows(any, asks ? 2 : 0)) return {group.take(words, capacity), false};
      if (any) return {MpiArrival::rows, false};
    }
    if (over) return {MpiArrival::none, false};
    pause();
  }
}

MpiArrival MpiProcess::gather(int number, double ms, int spins) {
  Pause pause(spins);
  bool sent = false;
  bool looked = false;
  // A peer that cannot be reached keeps the row from no other, be it by an earlier message.
  std::exception_ptr failed;
  bool expects = false;
  for (;;) {
    // Where a message is expected, a look takes far longer than the clock does.
    const bool over = sent && (expects || !pause.spins()) && pause.passed() >= ms;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      require_started();
      sends_.progress();
      if (sent) tell_failed();
      else if (failed == nullptr) failed = sends_.next_failed();
      MpiGroup& group = group_at(number);
      if (!group.has_board()) {
        throw DeviceError("ERR_INPUT_INVALID", "Group " + std::to_string(number) + " has no board for rows; open it with one, or use send() and receive().");
      }
      if (!sent) {
        bool any = false;
        // What came in the last moment is seen once the row is sent, as if it had come later. The window mostly says whether anything has come.
        const bool seen = !group.has_window() && pause.begin() - group.emptied < fresh;
        if (!seen && failed == nullptr && group.take_rows(any, group.has_window() ? 0 : 2, false)) return {group.take(), true};
        sent = true;
        if (failed != nullptr || !group.publish()) {
          send_row(group, failed);
          continue;
        }
      }
      for (int looks = group.has_window() ? window_looks : 1; looks > 0; looks--) {
        // Each look of a wait sees what the one before it moved.
        const int asked = group.has_window() ? (over && looks == 1 ? 2 : 0) : 1;
        bool any = false;
        if (group.take_rows(any, asked)) return {group.take(), false};
        expects = group.expects_message();
        // The look after the row was sent moves what was there, and the next one sees it: a peer's word that the group has ended.
        if (!looked && !group.has_window()) {
          looked = true;
          looks++;
        } else if (group.has_all_rows() && !expects) {
          if (!group.has_window()) group.emptied = pause.begin();
          return {MpiArrival::rows, false};
        }
        // MPI was asked often for the message: others have their turn now.
        if (expects && !any) break;
      }
    }
    if (over) return {MpiArrival::none, false};
    pause();
  }
}

void MpiProcess::send_row(const MpiGroup& group, std::exception_ptr failed) {
  const auto [row, count] = group.own_row();
  for (int peer = 0; peer < world_.size; peer++) {
    if (peer == world_.rank) continue;
    try {
      sends_.send(peer, group.tag(), row, count);
    } catch (const DeviceError&) {
      if (failed == nullptr) failed = std::current_exception();
    }
  }
  if (failed != nullptr) std::rethrow_exception(failed);
}

bool MpiProcess::wait(int number, double ms, uint32_t pokes) {
  Pause pause(0);
  for (;;) {
    const bool over = pause.passed() >= ms;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ != State::started || pokes_ != pokes) return false;
      sends_.progress();
      if (sends_.any_failed()) return true;
      MpiGroup& group = group_at(number);
      if (!group.is_open() || group.has_come(group.has_window() && !over ? 0 : 2)) return true;
    }
    if (over) return false;
    pause();
  }
}

MpiGroup& MpiProcess::group_at(int group) {
  if (group < 0 || static_cast<size_t>(group) >= groups_.size()) {
    throw DeviceError("ERR_INPUT_INVALID", "There is no group " + std::to_string(group) + " of messages in this process.");
  }
  return groups_[static_cast<size_t>(group)];
}

bool MpiProcess::peer_ended(int peer) const {
  const size_t at = static_cast<size_t>(peer) * 2;
  if (places_[at + 1] != places_[static_cast<size_t>(world_.rank) * 2 + 1]) return false;
  return kill(static_cast<pid_t>(places_[at]), 0) != 0 && errno == ESRCH;
}

void MpiProcess::abort(int code) {
  if (state_ != State::started) return;
  // Before the lock, which a wait of another thread may hold.
  try {
    std::thread([code] {
      std::this_thread::sleep_for(abort_time);
      _exit(code);
    }).detach();
  } catch (const std::system_error&) {
    // Without a thread, MPI alone ends the process.
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  world_.library.abort(world_.comm, code);
}

void MpiProcess::finalize() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::started) return;
  // MPI wants every send to be complete; but a peer that takes no message any more keeps this process for a moment only.
  // A peer that is lost changes nothing at the end.
  for (Pause pause(0); sends_.under_way() && pause.passed() < last_sends_ms; pause()) sends_.progress();
  for (MpiGroup& group : groups_) group.close();
  state_ = State::finalized;
  world_.library.finalize();
}

void MpiProcess::require_started() const {
  if (state_ == State::started) return;
  throw DeviceError("ERR_DISPOSED", "MPI has ended in this process, or was never started; no message can be sent or received.");
}

void MpiProcess::tell_failed() {
  if (const std::exception_ptr failed = sends_.next_failed()) std::rethrow_exception(failed);
}

}  // namespace lockstep
