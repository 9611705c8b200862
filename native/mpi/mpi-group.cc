#include "mpi-group.h"

#include <algorithm>

#include "core/error.h"

namespace lockstep {

namespace {

// How often MPI is asked for a message that the window says was sent. Each time, MPI takes in some tens of messages of all groups; while rows alone are
// waited for, it is seldom asked, so many may lie before the one that is meant.
constexpr int expected_looks = 64;

}  // namespace

MpiGroup::MpiGroup(const MpiWorld& world, const MpiWindow& window, int tag, int capacity, MpiBoard board)
    : world_(world), tag_(tag), capacity_(capacity), board_(board) {
  if (has_board() && window.holds(tag) && board.row_words + 2 <= MpiWindow::max_words) rows_.emplace(world, window, tag);
}

void MpiGroup::open() {
  const int peers = world_.size - 1;
  words_.assign(static_cast<size_t>(peers) * static_cast<size_t>(capacity_), 0);
  requests_.assign(static_cast<size_t>(peers), nullptr);
  open_ = true;
  int slot = 0;
  try {
    for (; slot < peers; slot++) {
      const int peer = peer_of(slot);
      MpiRequest** const request = &requests_[static_cast<size_t>(slot)];
      world_.check(world_.library.recv_init(words_at(slot), capacity_, world_.library.int32, peer, tag_, world_.comm, request), "MPI_Recv_init", peer);
      post(slot);
    }
  } catch (const DeviceError&) {
    // What never started has nothing to cancel.
    MpiRequest*& failed = requests_[static_cast<size_t>(slot)];
    if (failed != nullptr) world_.library.request_free(&failed);
    failed = nullptr;
    close();
    throw;
  }
}

void MpiGroup::close() {
  if (!open_) return;
  open_ = false;
  bool ended = true;
  for (size_t slot = 0; slot < requests_.size(); slot++) {
    MpiRequest*& request = requests_[slot];
    if (request == nullptr) continue;
    int done = 0;
    int code = mpi_success;
    MpiStatus status;
    // A receive is cancelled at once, or has its message.
    if (static_cast<int>(slot) != come_) {
      world_.library.cancel(&request);
      for (int look = 0; code == mpi_success && done == 0 && look < 1000; look++) code = world_.library.test(&request, &done, &status);
      ended = ended && code == mpi_success && done != 0;
    }
    world_.library.request_free(&request);
  }
  come_ = -1;
  refused_ = -1;
  // A receive that is not known to have ended may still be written to.
  if (ended) words_ = std::vector<int32_t>();
}

void MpiGroup::post(int slot) {
  world_.check(world_.library.start(&requests_[static_cast<size_t>(slot)]), "MPI_Start", peer_of(slot));
}

bool MpiGroup::has_come(int looks) { return (rows_ && open_ && rows_->has_row()) || look(looks); }

bool MpiGroup::look(int looks) {
  if (come_ >= 0) return true;
  expected_ = rows_ && rows_->has_message();
  if (expected_) looks = expected_looks;
  const int slots = static_cast<int>(requests_.size());
  if (slots == 0 || !open_) return false;
  for (; looks > 0; looks--) {
    int slot = -1;
    int found = 0;
    MpiStatus status;
    const int code = world_.library.testany(slots, requests_.data(), &slot, &found, &status);
    world_.check(code, "MPI_Testany", slot >= 0 && slot < slots ? peer_of(slot) : -1);
    if (found == 0 || slot < 0) continue;
    come_ = slot;
    return true;
  }
  return false;
}

bool MpiGroup::take_rows(bool& any, int looks, bool entered) {
  if (take_published(any, entered)) return true;
  // What had come with a row was moved with it.
  while (look(any ? std::min(looks, 1) : looks)) {
    // Rows that were published before the message was sent are seen now.
    if (take_published(any, entered)) return true;
    const int slot = come_;
    if (!put_row(peer_of(slot), words_at(slot), entered)) return true;
    any = true;
    received(slot);
    if (take_published(any, entered)) return true;
  }
  return false;
}

bool MpiGroup::take_published(bool& any, bool entered) {
  if (!rows_ || !open_) return false;
  for (int peer = 0; peer < world_.size; peer++) {
    if (peer == world_.rank) continue;
    while (const int32_t* const words = rows_->next(peer)) {
      refused_ = put_row(peer, words, entered) ? -1 : peer;
      if (refused_ >= 0) return true;
      rows_->taken(peer);
      any = true;
    }
  }
  return false;
}

void MpiGroup::received(int slot) {
  come_ = -1;
  if (rows_) rows_->received(peer_of(slot));
  post(slot);
}

bool MpiGroup::publish() {
  if (!rows_) return false;
  const auto [words, count] = own_row();
  if (words[0] != mpi_row_message) return false;
  if (!has_rows(static_cast<uint32_t>(words[1]) - 1)) return false;
  rows_->publish(words, count);
  return true;
}

// As Exchange does with the rows that are handed to it.
bool MpiGroup::put_row(int peer, const int32_t* words, bool entered) {
  int32_t* const board = board_.words;
  const int row_words = board_.row_words;
  if (board == nullptr || words[0] != mpi_row_message) return false;
  const uint32_t sequence = static_cast<uint32_t>(words[1]);
  const uint32_t own = static_cast<uint32_t>(board[0]) - (entered ? 0 : 1);
  int32_t& arrived = board[1 + peer];
  if (sequence != static_cast<uint32_t>(arrived) + 1 || (sequence != own && sequence != own + 1)) return false;
  const size_t row = (sequence & 1 ? static_cast<size_t>(world_.size) : 0) + static_cast<size_t>(peer);
  std::copy_n(words + 2, row_words, board + 1 + world_.size + row * static_cast<size_t>(row_words));
  arrived = static_cast<int32_t>(sequence);
  return true;
}

bool MpiGroup::has_all_rows() const { return has_rows(static_cast<uint32_t>(board_.words[0])); }

bool MpiGroup::has_rows(uint32_t sequence) const {
  const int32_t* const arrived = board_.words + 1;
  for (int peer = 0; peer < world_.size; peer++) {
    if (peer != world_.rank && static_cast<int32_t>(static_cast<uint32_t>(arrived[peer]) - sequence) < 0) return false;
  }
  return true;
}

int MpiGroup::take(int32_t* words, int capacity) {
  if (refused_ >= 0) {
    const int peer = refused_;
    refused_ = -1;
    std::copy_n(rows_->next(peer), std::min(rows_->words_of_next(peer), capacity), words);
    rows_->taken(peer);
    return peer;
  }
  const int slot = come_;
  std::copy_n(words_at(slot), std::min(capacity_, capacity), words);
  received(slot);
  return peer_of(slot);
}

}  // namespace lockstep
