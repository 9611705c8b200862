#include "account.h"

#include <algorithm>
#include <string>
#include <utility>

#include "error.h"

namespace lockstep {

Charge::Charge(std::shared_ptr<Account> account, size_t size, For what) : what_(what) {
  const auto bytes = static_cast<int64_t>(size);
  const int64_t held = account->allocated;
  const int64_t limit = account->limit;
  if (limit >= 0 && (bytes > limit || held > limit - bytes)) {
    const int64_t available = limit > held ? limit - held : 0;
    throw DeviceError("ERR_DEVICE_MEMORY",
                      std::string(what == For::graph ? "A graph" : "A buffer") + " needs " + std::to_string(bytes) +
                          " bytes, " + std::to_string(available) + " of the limit of " + std::to_string(limit) +
                          " are left. Dispose buffers or graphs, or raise memoryLimit.",
                      {{"needed", bytes}, {"available", available}, {"limit", limit}});
  }
  account->allocated += bytes;
  account->peak = std::max(account->peak, account->allocated);
  if (what == For::graph) account->graph_bytes += bytes;
  account_ = std::move(account);
  bytes_ = bytes;
}

Charge::Charge(Charge&& other) noexcept
    : account_(std::move(other.account_)), bytes_(other.bytes_), what_(other.what_) {}

Charge& Charge::operator=(Charge&& other) noexcept {
  give_back();
  account_ = std::move(other.account_);
  bytes_ = other.bytes_;
  what_ = other.what_;
  return *this;
}

void Charge::give_back() {
  if (account_ == nullptr) return;
  account_->allocated -= bytes_;
  if (what_ == For::graph) account_->graph_bytes -= bytes_;
  account_.reset();
}

}  // namespace lockstep
