#pragma once

#include "order.h"
#include "report.h"

namespace lockstep {

// Words of a row of controls.
enum Control : int {
  CONTROL_TEMPERATURE,
  CONTROL_TOP_K,
  CONTROL_TOP_P,
  CONTROL_SEED_LOW,
  CONTROL_SEED_HIGH,
  CONTROL_POSITION,
  CONTROL_WORDS = 8,
};

// The tokens that may be drawn: those ranked above `rank`, and the first `ties` of that rank.
struct Cut {
  int rank;
  int64 ties;
};

// A row of logits at a temperature. A token's weight is e^((logit - highest) / temperature), that of a NaN 0.
struct LogitRow {
  const float* logits;
  int64 vocab;
  float highest;
  float temperature;
};

template <typename Value>
LOCKSTEP_BODY Value weight_of(const LogitRow& row, Value logit) {
  const Value weight = exp_of(Value((logit - row.highest) / row.temperature));
  return weight == weight ? weight : Value{};
}

// The greatest rank that holds, of those that do: holds(lowest) does, and no rank above one that does not. Bit by bit, from the
// first; those outside lowest to highest need no question.
template <typename Holds>
LOCKSTEP_BODY int last_rank(int lowest, int highest, const Holds& holds) {
  unsigned found = 0;
  for (unsigned bit = 0x80000000u; bit != 0; bit >>= 1) {
    const int rank = static_cast<int>((found | bit) ^ 0x80000000u);
    if (rank <= lowest || (rank <= highest && holds(rank))) found |= bit;
  }
  return static_cast<int>(found ^ 0x80000000u);
}

LOCKSTEP_BODY int64 count_from(const LogitRow& row, int rank) {
  const float* const logits = row.logits;
  return count_row(row.vocab, [=](auto at) LOCKSTEP_INLINE { return rank_of(at(logits)) >= rank; });
}

// The sum of the weights from a rank on, in the order of lanes.h.
LOCKSTEP_BODY float weigh_from(const LogitRow& row, int rank) {
  return sum_row(row.vocab, [=](auto at) LOCKSTEP_INLINE {
    const auto logit = at(row.logits);
    const auto weight = weight_of(row, logit);
    return rank_of(logit) >= rank ? weight : decltype(logit + weight){};
  });
}

// The k greatest, of equal ones the first.
LOCKSTEP_BODY Cut cut_top_k(const LogitRow& row, int lowest, int highest, int64 k) {
  const int rank = last_rank(lowest, highest, [&](int from) LOCKSTEP_INLINE { return count_from(row, from) >= k; });
  return {rank, k - (rank < highest ? count_from(row, rank + 1) : 0)};
}

// The fewest of those of `cut` whose weights are `p` of all of theirs.
LOCKSTEP_BODY Cut cut_top_p(const LogitRow& row, Cut cut, int highest, float p) {
  const auto weigh_above = [&](int rank) LOCKSTEP_INLINE { return rank < highest ? weigh_from(row, rank + 1) : 0.0f; };
  const auto weight_at = [&](int rank) LOCKSTEP_INLINE { return weight_of(row, value_of_rank(rank)); };
  const float wanted = p * (weigh_above(cut.rank) + static_cast<float>(cut.ties) * weight_at(cut.rank));
  const int rank = last_rank(cut.rank, highest, [&](int from) LOCKSTEP_INLINE { return weigh_from(row, from) >= wanted; });
  const int64 most = rank == cut.rank ? cut.ties : count_from(row, rank) - (rank < highest ? count_from(row, rank + 1) : 0);
  const float above = weigh_above(rank);
  const float weight = weight_at(rank);
  int64 ties = 1;
  while (ties < most && above + static_cast<float>(ties) * weight < wanted) ties++;
  return {rank, ties};
}

// Calls each(token, weight) for the tokens of a cut that have a weight, in order, until it answers false.
template <typename Each>
LOCKSTEP_BODY void walk_cut(const LogitRow& row, Cut cut, const Each& each) {
  int64 ties = 0;
  const auto weight = [=](auto at) LOCKSTEP_INLINE {
    const auto logit = at(row.logits);
    const auto own = weight_of(row, logit);
    return rank_of(logit) >= cut.rank ? own : decltype(logit + own){};
  };
  walk_row(row.vocab, weight, [&](int64 token, float own) LOCKSTEP_INLINE {
    if (!(own > 0)) return true;
    if (rank_of(row.logits[token]) == cut.rank && ties++ >= cut.ties) return true;
    return each(token, own);
  });
}

// A number from 0 up to 1, below it, of a seed and a position. Source: SplitMix64.
LOCKSTEP_BODY float uniform_of(unsigned long long seed, unsigned position) {
  unsigned long long z = seed + (position + 1ull) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  z = z ^ (z >> 31);
  return static_cast<float>(static_cast<int>(z >> 40)) * 5.9604644775390625e-8f;
}

// The token that a row's controls draw; `first` is the first of the greatest logits.
LOCKSTEP_BODY int64 draw_token(const LogitRow& row, const int* controls, int64 first, int lowest, int highest) {
  const int64 top_k = controls[CONTROL_TOP_K];
  const float top_p = bits_as<float>(controls[CONTROL_TOP_P]);
  Cut cut = {lowest, row.vocab - (lowest < highest ? count_from(row, lowest + 1) : 0)};
  if (top_k > 0 && top_k < row.vocab) cut = cut_top_k(row, lowest, highest, top_k);
  if (top_p < 1) cut = cut_top_p(row, cut, highest, top_p);
  float total = 0;
  walk_cut(row, cut, [&](int64, float weight) LOCKSTEP_INLINE {
    total = total + weight;
    return true;
  });
  const unsigned long long seed =
      static_cast<unsigned long long>(static_cast<unsigned>(controls[CONTROL_SEED_HIGH])) << 32 |
      static_cast<unsigned>(controls[CONTROL_SEED_LOW]);
  const float wanted = uniform_of(seed, static_cast<unsigned>(controls[CONTROL_POSITION])) * total;
  int64 drawn = first;
  float sum = 0;
  walk_cut(row, cut, [&](int64 token, float weight) LOCKSTEP_INLINE {
    drawn = token;
    sum = sum + weight;
    return !(sum > wanted);
  });
  return drawn;
}

// out[i] = a token of each row: the first of the greatest logits at temperature 0; else one drawn of softmax(logits / temperature)
// over what top-k, then top-p keep, by a number that its seed and position give. A row is an item.
LOCKSTEP_BODY void sample(Grid grid, const float* logits, int64, const int* controls, int64, int* out, int64, int n, int vocab,
                          Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const int* const control = controls + i * CONTROL_WORDS;
    const float temperature = bits_as<float>(control[CONTROL_TEMPERATURE]);
    const float top_p = bits_as<float>(control[CONTROL_TOP_P]);
    if (!(temperature >= 0 && temperature < infinity())) {
      return fail(report, KERNEL_sample, FAULT_TEMPERATURE, i, control[CONTROL_TEMPERATURE], 0);
    }
    if (control[CONTROL_TOP_K] < 0) return fail(report, KERNEL_sample, FAULT_TOP_K, i, control[CONTROL_TOP_K], 0);
    if (!(top_p > 0 && top_p <= 1)) return fail(report, KERNEL_sample, FAULT_TOP_P, i, control[CONTROL_TOP_P], 0);
    const float* const own = logits + i * vocab;
    int64 first = 0;
    int highest = rank_of(own[0]);
    int lowest = highest;
    for (int64 token = 0; token < vocab; token++) {
      if (own[token] != own[token]) return fail(report, KERNEL_sample, FAULT_LOGIT, place_of(i, token), 0, 0);
      const int rank = rank_of(own[token]);
      if (rank > highest) first = token;
      highest = rank > highest ? rank : highest;
      lowest = rank < lowest ? rank : lowest;
    }
    out[i] = static_cast<int>(temperature == 0 ? first : draw_token({own, vocab, own[first], temperature}, control, first, lowest, highest));
  }
}

}  // namespace lockstep
