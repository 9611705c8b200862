#pragma once

#include "lanes.h"

// Functions of floats, of multiplications, additions and integer words alone: no two machines have the same library.

namespace lockstep {

template <typename Value>
struct WordsOf;

template <>
struct WordsOf<float> {
  typedef int Ints;
  typedef unsigned Unsigned;
};

#ifndef LOCKSTEP_ON_DEVICE
template <>
struct WordsOf<Vector> {
  typedef int Ints __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
  typedef unsigned Unsigned __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
};
#endif

template <typename To, typename From>
LOCKSTEP_BODY To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

LOCKSTEP_BODY float infinity() { return bits_as<float>(0x7f800000); }

// e to the x, of a float or of a vector of them, within 2 units in the last place; 0 where that is below every normal number.
// Source: Cephes expf, Moshier 1989.
template <typename Value>
LOCKSTEP_BODY Value exp_of(Value x) {
  typedef typename WordsOf<Value>::Ints Ints;
  typedef typename WordsOf<Value>::Unsigned Unsigned;
  // 1.5 * 2^23: a number this large has no bits below 1, so the sum is rounded to an integer, which its last bits hold.
  const float rounder = 12582912.0f;
  const Value shifted = x * 1.44269504f + rounder;
  const Value n = shifted - rounder;
  const Value r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  Value p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // 2^n as a product of two: n may be 128, for which there is no float.
  const Ints whole = (Ints)(bits_as<Unsigned>(shifted) - 0x4b400000u);
  const Ints half = whole >> 1;
  const Unsigned low = (Unsigned)half + 127u;
  const Unsigned high = (Unsigned)whole - (Unsigned)half + 127u;
  const Value y = p * bits_as<Value>(Unsigned(low << 23)) * bits_as<Value>(Unsigned(high << 23));
  const Value below = x < -87.3365448f ? Value{} : y;
  return x > 88.7228394f ? Value{} + infinity() : below;
}

// The square root, rounded to nearest: bit by bit, since not every GPU's compiler rounds its own.
LOCKSTEP_BODY float square_root_of(float x) {
  const unsigned bits = bits_as<unsigned>(x);
  if (bits == 0 || bits == 0x80000000u || bits == 0x7f800000u) return x;
  if (!(x > 0)) return bits_as<float>(0x7fc00000);
  int exponent = static_cast<int>(bits >> 23);
  unsigned long long fraction = bits & 0x7fffffu;
  if (exponent == 0) {
    for (exponent = 1; fraction < 0x800000u; exponent--) fraction <<= 1;
  } else {
    fraction |= 0x800000u;
  }
  // x = fraction * 2^power, with an odd power: so the root of fraction * 2^25 has 25 bits, one more than a float.
  int power = exponent - 150;
  if (power % 2 == 0) {
    fraction <<= 1;
    power--;
  }
  unsigned long long rest = fraction << 25;
  unsigned long long root = 0;
  for (unsigned long long bit = 1ull << 48; bit != 0; bit >>= 2) {
    if (rest >= root + bit) {
      rest -= root + bit;
      root = (root >> 1) + bit;
    } else {
      root >>= 1;
    }
  }
  // It is never a tie: the square of an odd number is odd.
  const unsigned rounded = static_cast<unsigned>((root + 1) >> 1);
  return static_cast<float>(rounded) * bits_as<float>(static_cast<unsigned>((power - 25) / 2 + 1 + 127) << 23);
}

}  // namespace lockstep
