#pragma once

#include "functions.h"
#include "matmul.h"
#include "report.h"

namespace lockstep {

namespace {

// Positions whose scores share a maximum. Chunks lie at multiples of it, so that what a token gets depends on its position alone.
constexpr int64 CHUNK = 64;

// Elements of a head that are one item on a GPU: a thread keeps their sums in registers, and computes every score by itself.
constexpr int64 HEAD_PIECE = 16;

}  // namespace

// Keys and values of one head of a paged cache [slot, 2, kvHeads, headDim], as a request's block table finds them.
struct PagedHead {
  const float* cache;
  const int* table;
  int64 request;
  int64 blocks;
  int64 block_size;
  int64 slot_pitch;
  int64 value_offset;
  Report* report;
};

// The key at a position, or null after a report.
LOCKSTEP_BODY const float* key_at(const PagedHead& head, int64 position) {
  const auto column = static_cast<unsigned>(position) / static_cast<unsigned>(head.block_size);
  const int64 block = head.table[column];
  if (block < 0 || block >= head.blocks) {
    fail(head.report, KERNEL_attend, FAULT_BLOCK, place_of(head.request, column), block, head.blocks);
    return nullptr;
  }
  return head.cache + (block * head.block_size + (position - column * head.block_size)) * head.slot_pitch;
}

// q . k * scale
LOCKSTEP_BODY float score_of(const float* query, const float* key, int64 head_dim, float scale) {
  float product;
  dot_tile<1, 1>({query, head_dim}, {key, head_dim}, head_dim, &product, 1);
  return product * scale;
}

#ifdef LOCKSTEP_ON_DEVICE

// Elements [begin, begin + HEAD_PIECE) of what a head gets from positions `first` to `last`. Scores are computed twice, once for the
// chunk's maximum: there is no room for 64 of them.
LOCKSTEP_BODY bool attend_head(const PagedHead& head, const float* query, float* out, int64 begin, int64 head_dim, int64 first,
                               int64 last, float scale) {
  float sums[HEAD_PIECE] = {};
  float top = -infinity();
  float total = 0;
  for (int64 chunk = first / CHUNK * CHUNK; chunk <= last; chunk += CHUNK) {
    const int64 from = larger(first, chunk);
    const int64 to = smaller(last + 1, chunk + CHUNK);
    float highest = top;
    for (int64 position = from; position < to; position++) {
      const float* const key = key_at(head, position);
      if (key == nullptr) return false;
      const float score = score_of(query, key, head_dim, scale);
      highest = score > highest ? score : highest;
    }
    const float shrink = exp_of(top - highest);
    top = highest;
    total = total * shrink;
    LOCKSTEP_UNROLL
    for (int64 d = 0; d < HEAD_PIECE; d++) sums[d] = sums[d] * shrink;
    for (int64 position = from; position < to; position++) {
      const float* const key = key_at(head, position);
      if (key == nullptr) return false;
      const float share = exp_of(score_of(query, key, head_dim, scale) - top);
      total = total + share;
      const float* const value = key + head.value_offset + begin;
      LOCKSTEP_UNROLL
      for (int64 d = 0; d < HEAD_PIECE; d++) {
        if (begin + d < head_dim) sums[d] = sums[d] + share * value[d];
      }
    }
  }
  LOCKSTEP_UNROLL
  for (int64 d = 0; d < HEAD_PIECE; d++) {
    if (begin + d < head_dim) out[begin + d] = sums[d] / total;
  }
  return true;
}

#else

// out += the sum over j of shares[j] * values[j], each element by itself, in order.
LOCKSTEP_BODY void add_values(float* out, const float* const* values, const float* shares, int64 count, int64 head_dim) {
  constexpr int64 WIDE = 4;
  int64 d = 0;
  for (; d + WIDE * VECTOR_FLOATS <= head_dim; d += WIDE * VECTOR_FLOATS) {
    Vector sums[WIDE];
    LOCKSTEP_UNROLL
    for (int64 w = 0; w < WIDE; w++) sums[w] = load_vector(out + d + w * VECTOR_FLOATS);
    for (int64 j = 0; j < count; j++) {
      LOCKSTEP_UNROLL
      for (int64 w = 0; w < WIDE; w++) sums[w] += load_vector(values[j] + d + w * VECTOR_FLOATS) * shares[j];
    }
    LOCKSTEP_UNROLL
    for (int64 w = 0; w < WIDE; w++) *reinterpret_cast<LooseVector*>(out + d + w * VECTOR_FLOATS) = sums[w];
  }
  map_row(out, d, head_dim, [=](auto at) {
    auto sum = at(out);
    for (int64 j = 0; j < count; j++) sum += at(values[j]) * shares[j];
    return sum;
  });
}

// What a head gets from positions `first` to `last`. A chunk's scores are kept.
LOCKSTEP_BODY bool attend_head(const PagedHead& head, const float* query, float* out, int64, int64 head_dim, int64 first,
                               int64 last, float scale) {
  const float* values[CHUNK];
  float shares[CHUNK];
  float top = -infinity();
  float total = 0;
  for (int64 d = 0; d < head_dim; d++) out[d] = 0;
  for (int64 chunk = first / CHUNK * CHUNK; chunk <= last; chunk += CHUNK) {
    const int64 from = larger(first, chunk);
    const int64 count = smaller(last + 1, chunk + CHUNK) - from;
    float highest = top;
    for (int64 j = 0; j < count; j++) {
      const float* const key = key_at(head, from + j);
      if (key == nullptr) return false;
      values[j] = key + head.value_offset;
      shares[j] = score_of(query, key, head_dim, scale);
      highest = shares[j] > highest ? shares[j] : highest;
    }
    const float shrink = exp_of(top - highest);
    top = highest;
    map_row(shares, 0, count, [&](auto at) { return exp_of(at(shares) - top); });
    total = total * shrink;
    for (int64 j = 0; j < count; j++) total = total + shares[j];
    map_row(out, 0, head_dim, [=](auto at) { return at(out) * shrink; });
    add_values(out, values, shares, count, head_dim);
  }
  map_row(out, 0, head_dim, [=](auto at) { return at(out) / total; });
  return true;
}

#endif

// Causal attention over a paged cache. A token sees the keys of its request from position - window + 1 on (window 0: from 0 on) up to its
// own position. The softmax goes over chunks of 64 positions in order: with each the
// sums so far shrink to the new maximum. A token of request -1 is padding and gets zeros.
LOCKSTEP_BODY void attend(Grid grid, const float* qkv, int64, const float* cache, int64 cache_bytes, const int* block_table, int64,
                          const int64* positions, int64, const int* token_to_request, int64, float* out, int64, int n, int requests, int table_width, int block_size, int pitch, int heads,
                          int kv_heads, int head_dim, int window, int scale_bits, Report* report) {
  if (is_failed(report)) return;
#ifdef LOCKSTEP_ON_DEVICE
  const int64 pieces = pieces_of(head_dim, HEAD_PIECE);
  const int64 piece_width = HEAD_PIECE;
#else
  const int64 pieces = 1;
  const int64 piece_width = head_dim;
#endif
  const int64 slot_pitch = 2 * static_cast<int64>(kv_heads) * head_dim;
  for (int64 item = grid.index; item < pieces * heads * n; item += grid.stride) {
    const int64 begin = item % pieces * piece_width;
    const int64 h = item / pieces % heads;
    const int64 token = item / pieces / heads;
    float* const to = out + (token * heads + h) * head_dim;
    const int64 request = token_to_request[token];
    if (request == -1) {
      for (int64 d = begin; d < smaller(begin + piece_width, head_dim); d++) to[d] = 0;
      continue;
    }
    if (request < 0 || request >= requests) {
      return fail(report, KERNEL_attend, FAULT_TOKEN_REQUEST, token, request, requests);
    }
    const int64 last = positions[token];
    if (last < 0 || last >= static_cast<int64>(table_width) * block_size) {
      return fail(report, KERNEL_attend, FAULT_TOKEN_POSITION, token, last, static_cast<int64>(table_width) * block_size);
    }
    const int64 first = window == 0 ? 0 : larger(0, last - window + 1);
    const PagedHead head = {cache + h / (heads / kv_heads) * head_dim,
                            block_table + request * table_width,
                            request,
                            cache_bytes / 4 / slot_pitch / block_size,
                            block_size,
                            slot_pitch,
                            static_cast<int64>(kv_heads) * head_dim,
                            report};
    if (!attend_head(head, qkv + token * pitch + h * head_dim, to, begin, head_dim, first, last, bits_as<float>(scale_bits))) return;
  }
}

}  // namespace lockstep
