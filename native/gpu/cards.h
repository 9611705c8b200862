#pragma once

#include <optional>
#include <string>
#include <vector>

#include "load-driver.h"

namespace lockstep {

// A GPU that the driver lets this process see.
struct Card {
  // Counted by the driver, after CUDA_VISIBLE_DEVICES and the like: cuda:<ordinal>.
  int ordinal = 0;
  std::string name;
  size_t bytes = 0;
  // "sm_90", "gfx942": what its kernels are compiled for.
  std::string arch;
  // Threads that run in step.
  int warp = 0;
  int processors = 0;
  // "0000:1b:00.0".
  std::string pci;
};

// Throws what the driver reports.
Card describe_card(const DriverLibrary& driver, int ordinal);
std::vector<Card> list_cards(const DriverLibrary& driver);

// The gfx target of the card on a PCI bus, which the kernel's list of compute nodes says: HIP's own answer lies in a struct whose
// layout depends on the version. Empty where the list has none of it.
std::string gfx_target(const std::string& pci, const std::string& topology = "/sys/class/kfd/kfd/topology/nodes");

// Which of a node's processes this is, and who says so.
struct LocalRank {
  int rank;
  std::string source;
};
// By the first variable that is set, LOCKSTEP_LOCAL_RANK before those of launchers. Throws ERR_CONFIG_INVALID where its value is
// no rank.
std::optional<LocalRank> launcher_rank();

struct CardChoice {
  int ordinal;
  // "local rank 5 (SLURM_LOCALID) of 4 cards, which ranks share": continues "cuda:1, ".
  std::string why;
};
// The card that was asked for by number; else that of the local rank, modulo the cards where there are fewer; else the first.
// Throws ERR_DEVICE_UNAVAILABLE for a number that the driver does not see.
CardChoice choose_card(Vendor vendor, int count, std::optional<int> asked, const std::optional<LocalRank>& local);

// Whether the driver takes `bytes` of host memory at `host`, whole pages both, as its own to read and write: pinned and mapped.
// Empty, or why not. Leaves the card's context behind.
std::string pinning_refusal(const DriverLibrary& driver, int ordinal, void* host, size_t bytes);

}  // namespace lockstep
