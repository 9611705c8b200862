#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "communicator.h"
#include "mpi/mpi-process.h"
#include "mpi-shares.h"

namespace lockstep {

// A rank's side of a group whose ranks are the processes of an MPI job, with a host device each. Every rank sends each other one its share of an
// exchange, in messages of 16 KiB at most under a tag of the group's own. A share has its exchange's number and signature before it, so
// that ranks in different places find out. Nothing waits in MPI, and the device's thread makes all calls of it.
class MpiCommunicator final : public Communicator {
 public:
  // Every process of the job makes its groups in one order. `spins`: looks for a message before other threads run. Throws ERR_DISPOSED unless
  // MPI runs, ERR_INPUT_INVALID for a device that is no host.
  MpiCommunicator(Device& device, int spins);
  ~MpiCommunicator() override;

  void post(Stream& stream, PostedRange send, std::vector<int32_t> signature) override;
  // Also until what this rank sends is with its peers, which take it while this rank looks.
  bool arrived(double ms) override;
  void collect(Stream& stream, const std::shared_ptr<Buffer>& into, int64_t offset, const std::vector<PeerCopy>& copies) override;
  std::vector<int32_t> missing() const override;
  // For this rank: the others learn of it by the group's exchange of rows.
  void abort(const std::string& code, const std::string& reason, std::vector<int32_t> culprits) override;
  // Tells the others, which throw ERR_RANK_LOST where they wait for this rank.
  void leave() override;
  bool released(double ms) override;
  void release() override;

 private:
  // How far this rank's share for a peer is with MPI.
  struct Sent {
    bool begun = false;
    size_t bytes = 0;
  };

  int size() const { return static_cast<int>(sent_.size()); }
  // Takes the messages that have come.
  void take_come();
  bool all_come() const;
  bool has_unsent(int to) const;
  bool is_sent(int to) const;
  // Whether what is computed is with MPI, as far as peers have taken the messages before.
  bool send_more();
  void send_next(int to);
  void throw_if_left() const;

  MpiProcess& process_;
  const int spins_;
  const int tag_;
  int group_ = -1;
  MpiShares shares_;
  std::vector<Sent> sent_;
  std::vector<int32_t> incoming_;
  std::vector<int32_t> outgoing_;
  // Of the exchange under way.
  PostedRange send_ = {nullptr, 0, 0, {}};
  std::vector<int32_t> signature_;
  // When it is reached, what is sent is computed; null from then on.
  std::shared_ptr<Mark> computed_;
  std::optional<GroupEnd> end_;
};

}  // namespace lockstep
