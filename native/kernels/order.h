#pragma once

#include "functions.h"

namespace lockstep {

// An integer that orders floats as their values do: of two it is greater where the float is, equal where they are, -0 and +0
// included. That of a NaN is the least.
template <typename Value>
LOCKSTEP_BODY typename WordsOf<Value>::Ints rank_of(Value value) {
  typedef typename WordsOf<Value>::Ints Ints;
  const Ints bits = bits_as<Ints>(Value(value + 0.0f));
  const Ints rank = bits ^ ((bits >> 31) & 0x7fffffff);
  const Ints least = Ints{} - 0x7fffffff - 1;
  return value == value ? rank : least;
}

// A float of that rank, which is not that of a NaN.
LOCKSTEP_BODY float value_of_rank(int rank) { return bits_as<float>(rank ^ ((rank >> 31) & 0x7fffffff)); }

}  // namespace lockstep
