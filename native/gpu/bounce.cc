#include "bounce.h"

#include <algorithm>

namespace lockstep {

namespace {

constexpr size_t chunk_bytes = size_t{256} << 10;
// Of a copy's begin.
constexpr size_t alignment = 64;

}  // namespace

Bounce::Piece Bounce::take(const std::shared_ptr<GpuDevice>& device, size_t bytes, uint64_t mark, uint64_t reached) {
  const auto has_room = [&](const Chunk& chunk) { return bytes <= chunk.memory->bytes - chunk.used; };
  // From its begin again where the stream has caught up: lines that a cache still holds.
  if (!chunks_.empty() && chunks_.back().mark <= reached) chunks_.back().used = 0;
  if (chunks_.empty() || !has_room(chunks_.back())) {
    for (Chunk& chunk : chunks_) {
      if (chunk.mark <= reached) chunk.used = 0;
    }
    const auto free = std::find_if(chunks_.begin(), chunks_.end(), has_room);
    if (free == chunks_.end()) {
      chunks_.push_back({allocate_gpu_staging(device, std::max(bytes, chunk_bytes)), 0, mark});
    } else {
      std::swap(*free, chunks_.back());
    }
  }
  Chunk& chunk = chunks_.back();
  const Piece piece{chunk.memory->host + chunk.used, chunk.memory->device + chunk.used};
  chunk.used = std::min(chunk.memory->bytes, chunk.used + (bytes + alignment - 1) / alignment * alignment);
  chunk.mark = mark;
  return piece;
}

}  // namespace lockstep
