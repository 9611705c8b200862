#include "mpi-process.h"

#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
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

// How long it counts that nothing had come.
constexpr std::chrono::milliseconds fresh{1};

double ms_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

// The pause between two looks of a wait that began at `begin`.
class Pause {
 public:
  explicit Pause(int spins) : begin_(Clock::now()), spins_(spins), awake_ms_(spins > 0 ? yield_ms : 0) {}

  // Whether the next pause is none.
  bool spins() const { return spins_ > 0; }
  Clock::time_point begin() const { return begin_; }
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
  } else {
    check(library_.query_thread(&level), "MPI_Query_thread");
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

int MpiProcess::open_group(int tag, int capacity, MpiBoard board) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  Group& group = opened_.emplace_back();
  const size_t peers = static_cast<size_t>(size_ - 1);
  group.tag = tag;
  group.capacity = capacity;
  group.board = board;
  group.words.assign(peers * static_cast<size_t>(capacity), 0);
  group.requests.assign(peers, nullptr);
  group.open = true;
  int slot = 0;
  try {
    for (; slot < size_ - 1; slot++) {
      int32_t* const words = group.words.data() + static_cast<size_t>(slot) * static_cast<size_t>(capacity);
      const int peer = peer_of(slot);
      check(library_.recv_init(words, capacity, library_.int32, peer, tag, comm_, &group.requests[static_cast<size_t>(slot)]), "MPI_Recv_init", peer);
      post(group, slot);
    }
  } catch (const DeviceError&) {
    // What never started has nothing to cancel.
    MpiRequest*& failed = group.requests[static_cast<size_t>(slot)];
    if (failed != nullptr) library_.request_free(&failed);
    failed = nullptr;
    close(group);
    throw;
  }
  return static_cast<int>(opened_.size()) - 1;
}

void MpiProcess::close_group(int group) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ == State::started) close(group_at(group));
}

void MpiProcess::close(Group& closed) {
  if (!closed.open) return;
  closed.open = false;
  bool ended = true;
  for (size_t slot = 0; slot < closed.requests.size(); slot++) {
    MpiRequest*& request = closed.requests[slot];
    if (request == nullptr) continue;
    int done = 0;
    int code = mpi_success;
    MpiStatus status;
    // A receive is cancelled at once, or has its message.
    if (static_cast<int>(slot) != closed.come) {
      library_.cancel(&request);
      for (int look = 0; code == mpi_success && done == 0 && look < 1000; look++) code = library_.test(&request, &done, &status);
      ended = ended && code == mpi_success && done != 0;
    }
    library_.request_free(&request);
  }
  closed.come = -1;
  // A receive that is not known to have ended may still be written to.
  if (ended) closed.words = std::vector<int32_t>();
}

void MpiProcess::send(int peer, int tag, const int32_t* words, int count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  require_started();
  progress_sends();
  send_now(peer, tag, words, count);
  // An earlier message that could not be sent, be it to another peer, keeps this one from no peer.
  tell_failed();
}

void MpiProcess::send_now(int peer, int tag, const int32_t* words, int count) {
  if (spare_.empty()) spare_.emplace_back();
  Message& message = spare_.front();
  message.words.assign(words, words + count);
  message.peer = peer;
  check(library_.isend(message.words.data(), count, library_.int32, peer, tag, comm_, &message.request), "MPI_Isend", peer);
  bool done = false;
  try {
    done = complete(message, "MPI_Isend");
  } catch (const DeviceError&) {
    failed_.splice(failed_.end(), spare_, spare_.begin());
    throw;
  }
  if (!done) sending_.splice(sending_.end(), spare_, spare_.begin());
}

MpiArrival MpiProcess::receive(int number, int32_t* words, int capacity, double ms, int spins) {
  Pause pause(spins);
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      require_started();
      progress_sends();
      tell_failed();
      Group& group = group_at(number);
      bool any = false;
      if (take_rows(group, any, 2)) return take(group, words, capacity);
      if (any) return {MpiArrival::rows, false};
    }
    if (pause.passed() >= ms) return {MpiArrival::none, false};
    pause();
  }
}

MpiArrival MpiProcess::gather(int number, const int32_t* row, int count, int32_t* words, int capacity, double ms, int spins) {
  Pause pause(spins);
  bool sent = false;
  bool looked = false;
  // A peer that cannot be reached keeps the row from no other, be it by an earlier message.
  std::exception_ptr failed;
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      require_started();
      progress_sends();
      if (sent) tell_failed();
      else if (failed == nullptr) failed = next_failed();
      Group& group = group_at(number);
      if (group.board.words == nullptr) {
        throw DeviceError("ERR_INPUT_INVALID", "Group " + std::to_string(number) + " has no board for rows; open it with one, or use send() and receive().");
      }
      bool any = false;
      // What came in the last moment is seen once the row is sent, as if it had come later.
      const bool seen = !sent && pause.begin() - group.emptied < fresh;
      // Each look of a wait sees what the one before it moved.
      if (!seen && failed == nullptr && take_rows(group, any, sent ? 1 : 2)) {
        MpiArrival arrival = take(group, words, capacity);
        arrival.unsent = !sent;
        return arrival;
      }
      if (!sent) {
        sent = true;
        for (int slot = 0; slot < size_ - 1; slot++) {
          try {
            send_now(peer_of(slot), group.tag, row, count);
          } catch (const DeviceError&) {
            if (failed == nullptr) failed = std::current_exception();
          }
        }
        if (failed != nullptr) std::rethrow_exception(failed);
        continue;
      }
      // The look after the row was sent moves what was there, and the next one sees it: a peer's word that the group has ended.
      if (!looked) {
        looked = true;
        continue;
      }
      if (has_all_rows(group)) {
        group.emptied = pause.begin();
        return {MpiArrival::rows, false};
      }
    }
    if (!pause.spins() && pause.passed() >= ms) return {MpiArrival::none, false};
    pause();
  }
}

bool MpiProcess::wait(int number, double ms, uint32_t pokes) {
  Pause pause(0);
  for (;;) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (state_ != State::started || pokes_ != pokes) return false;
      progress_sends();
      if (!untold_.empty()) return true;
      Group& group = group_at(number);
      if (!group.open || look(group, 2)) return true;
    }
    if (pause.passed() >= ms) return false;
    pause();
  }
}

MpiProcess::Group& MpiProcess::group_at(int group) {
  if (group < 0 || static_cast<size_t>(group) >= opened_.size()) {
    throw DeviceError("ERR_INPUT_INVALID", "There is no group " + std::to_string(group) + " of messages in this process.");
  }
  return opened_[static_cast<size_t>(group)];
}

void MpiProcess::post(Group& group, int slot) {
  check(library_.start(&group.requests[static_cast<size_t>(slot)]), "MPI_Start", peer_of(slot));
}

bool MpiProcess::look(Group& group, int looks) {
  if (group.come >= 0) return true;
  const int slots = static_cast<int>(group.requests.size());
  if (slots == 0 || !group.open) return false;
  for (; looks > 0; looks--) {
    int slot = -1;
    int found = 0;
    MpiStatus status;
    const int code = library_.testany(slots, group.requests.data(), &slot, &found, &status);
    check(code, "MPI_Testany", slot >= 0 && slot < slots ? peer_of(slot) : -1);
    if (found == 0 || slot < 0) continue;
    group.come = slot;
    return true;
  }
  return false;
}

bool MpiProcess::take_rows(Group& group, bool& any, int looks) {
  // What had come with a row was moved with it.
  while (look(group, any ? 1 : looks)) {
    const int slot = group.come;
    const int32_t* const words = group.words.data() + static_cast<size_t>(slot) * static_cast<size_t>(group.capacity);
    if (!put_row(group, peer_of(slot), words)) return true;
    any = true;
    group.come = -1;
    post(group, slot);
  }
  return false;
}

// As Exchange does with the rows that are handed to it.
bool MpiProcess::put_row(Group& group, int peer, const int32_t* words) {
  const auto [board, row_words] = group.board;
  if (board == nullptr || words[0] != mpi_row_message) return false;
  const uint32_t sequence = static_cast<uint32_t>(words[1]);
  const uint32_t own = static_cast<uint32_t>(board[0]);
  int32_t& arrived = board[1 + peer];
  if (sequence != static_cast<uint32_t>(arrived) + 1 || (sequence != own && sequence != own + 1)) return false;
  const size_t row = (sequence & 1 ? static_cast<size_t>(size_) : 0) + static_cast<size_t>(peer);
  std::copy_n(words + 2, row_words, board + 1 + size_ + row * static_cast<size_t>(row_words));
  arrived = static_cast<int32_t>(sequence);
  return true;
}

bool MpiProcess::has_all_rows(const Group& group) const {
  const int32_t* const board = group.board.words;
  for (int peer = 0; peer < size_; peer++) {
    if (peer != rank_ && static_cast<int32_t>(static_cast<uint32_t>(board[1 + peer]) - static_cast<uint32_t>(board[0])) < 0) return false;
  }
  return true;
}

MpiArrival MpiProcess::take(Group& group, int32_t* words, int capacity) {
  const int slot = group.come;
  const int32_t* const from = group.words.data() + static_cast<size_t>(slot) * static_cast<size_t>(group.capacity);
  std::copy_n(from, std::min(group.capacity, capacity), words);
  group.come = -1;
  post(group, slot);
  return {peer_of(slot), false};
}

bool MpiProcess::peer_ended(int peer) const {
  const size_t at = static_cast<size_t>(peer) * 2;
  if (places_[at + 1] != places_[static_cast<size_t>(rank_) * 2 + 1]) return false;
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
  library_.abort(comm_, code);
}

void MpiProcess::finalize() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (state_ != State::started) return;
  // MPI wants every send to be complete; but a peer that takes no message any more keeps this process for a moment only.
  // A peer that is lost changes nothing at the end.
  for (Pause pause(0); !sending_.empty() && pause.passed() < last_sends_ms; pause()) progress_sends();
  for (size_t group = 0; group < opened_.size(); group++) close(opened_[group]);
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
    try {
      if (complete(*message, "MPI_Isend")) spare_.splice(spare_.begin(), sending_, message);
    } catch (const DeviceError&) {
      failed_.splice(failed_.end(), sending_, message);
      untold_.push_back(std::current_exception());
    }
    message = next;
  }
}

std::exception_ptr MpiProcess::next_failed() {
  if (untold_.empty()) return nullptr;
  const std::exception_ptr failed = untold_.front();
  untold_.pop_front();
  return failed;
}

void MpiProcess::tell_failed() {
  if (const std::exception_ptr failed = next_failed()) std::rethrow_exception(failed);
}

bool MpiProcess::complete(Message& message, const char* call) {
  int done = 0;
  MpiStatus status;
  check(library_.test(&message.request, &done, &status), call, message.peer);
  return done != 0;
}

}  // namespace lockstep
