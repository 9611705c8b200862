#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/device.h"
#include "replaced-places.h"

namespace lockstep {

// Words of a message between the ranks of an MpiCommunicator. It is copied in and out, whole.
constexpr size_t mpi_message_words = 4096;

// The first word of a message; the exchange's number follows, but for `left`. `begin` goes on with the share's bytes in two words, the words of
// the signature and these; then both have bytes of the share.
enum MpiShareWord : int32_t { begin_share = 1, more_share = 2, left_group = 3 };
constexpr size_t begin_share_words = 5;
constexpr size_t more_share_words = 2;

std::byte* host_pointer(const Buffer& buffer);

// What a rank's peers send it: a share of each in every exchange. The share of the next exchange but one takes the place of a share, once the copies
// out of it are done.
class MpiShares {
 public:
  struct Share {
    uint64_t exchange = 0;
    std::vector<int32_t> signature;
    size_t bytes = 0;
    size_t come = 0;
    std::shared_ptr<Buffer> place;
    // Reached when it is copied.
    std::shared_ptr<Mark> read;
  };

  MpiShares(Device& device, int rank, int size) : device_(device), rank_(rank), peers_(static_cast<size_t>(size)) {}

  // Takes a message of a peer; this rank is in `exchange`. Throws ERR_RANKS_DIVERGED for what no rank sends, ERR_DEVICE_MEMORY.
  void take(int from, const std::vector<int32_t>& words, uint64_t exchange);
  bool has_come(int peer, uint64_t exchange) const;
  // Whether the peer left the group.
  bool left(int peer) const { return peers_[static_cast<size_t>(peer)].left; }
  const Share& of(int peer, uint64_t exchange) const { return peers_[static_cast<size_t>(peer)].shares[exchange & 1]; }
  // The copies out of an exchange's shares end at the mark.
  void read(uint64_t exchange, const std::shared_ptr<Mark>& mark);
  // Throws ERR_RANKS_DIVERGED where ranks differ, once the word of every rank is there, so that all ranks find the same.
  void require_equal_signatures(const std::vector<int32_t>& own, uint64_t exchange) const;
  // Frees the places that are copied; waits at most `ms` milliseconds. Whether none is left.
  bool released(double ms);
  // What is still read is never freed.
  void keep();

 private:
  struct Peer {
    Share shares[2];
    bool left = false;
  };

  void begin(int from, Share& share, const std::vector<int32_t>& words, uint64_t exchange);
  void fill(Share& share, const std::vector<int32_t>& words, size_t first_word);

  Device& device_;
  const int rank_;
  std::vector<Peer> peers_;
  ReplacedPlaces replaced_;
};

}  // namespace lockstep
