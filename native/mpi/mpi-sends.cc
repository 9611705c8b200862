#include "mpi-sends.h"

#include <algorithm>

#include "core/error.h"

namespace lockstep {

namespace {

constexpr const char* send_call = "MPI_Isend";

}  // namespace

void MpiSends::send(int peer, int tag, const int32_t* words, int count) {
  if (spare_.empty()) spare_.emplace_back();
  Message& message = spare_.front();
  message.words.assign(words, words + count);
  message.peer = peer;
  message.tag = tag;
  const MpiLibrary& library = world_.library;
  world_.check(library.isend(message.words.data(), count, library.int32, peer, tag, world_.comm, &message.request), send_call, peer);
  // It may arrive, whatever MPI says of it from now on, and rows that are shown later lie behind it.
  window_.count_sent(tag, peer);
  bool done = false;
  try {
    done = complete(message);
  } catch (const DeviceError&) {
    failed_.splice(failed_.end(), spare_, spare_.begin());
    throw;
  }
  if (!done) sending_.splice(sending_.end(), spare_, spare_.begin());
}

void MpiSends::progress() {
  for (auto message = sending_.begin(); message != sending_.end();) {
    const auto next = std::next(message);
    try {
      if (complete(*message)) spare_.splice(spare_.begin(), sending_, message);
    } catch (const DeviceError&) {
      failed_.splice(failed_.end(), sending_, message);
      untold_.push_back(std::current_exception());
    }
    message = next;
  }
}

size_t MpiSends::under_way(int tag, int peer) const {
  return static_cast<size_t>(
      std::count_if(sending_.begin(), sending_.end(), [&](const Message& message) { return message.tag == tag && message.peer == peer; }));
}

std::exception_ptr MpiSends::next_failed() {
  if (untold_.empty()) return nullptr;
  const std::exception_ptr failed = untold_.front();
  untold_.pop_front();
  return failed;
}

bool MpiSends::complete(Message& message) {
  int done = 0;
  MpiStatus status;
  world_.check(world_.library.test(&message.request, &done, &status), send_call, message.peer);
  return done != 0;
}

}  // namespace lockstep
