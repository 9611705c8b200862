#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

// Whether a declaration of ours calls a function as the vendor's own declaration would: as many parameters, each of the same
// size, alignment and class, and what pointers point to likewise.
namespace abi {

enum class Class { nothing, integer, floating, pointer, value };

template <class T>
constexpr Class class_of() {
  if (std::is_void_v<T>) return Class::nothing;
  if (std::is_integral_v<T> || std::is_enum_v<T>) return Class::integer;
  if (std::is_floating_point_v<T>) return Class::floating;
  return std::is_pointer_v<T> ? Class::pointer : Class::value;
}

template <class T>
constexpr size_t size_of() {
  if constexpr (std::is_void_v<T> || std::is_function_v<T>) return 0;
  else return sizeof(T);
}

template <class Ours, class Theirs>
constexpr bool alike() {
  using A = std::remove_cv_t<Ours>;
  using B = std::remove_cv_t<Theirs>;
  constexpr Class a = class_of<A>(), b = class_of<B>();
  // A device address is an integer to us, and to one vendor a pointer.
  if constexpr (std::is_same_v<A, uint64_t> && b == Class::pointer) return sizeof(B) == sizeof(A) && alignof(B) == alignof(A);
  else if constexpr (a != b) return false;
  else if constexpr (a == Class::nothing) return true;
  else if constexpr (a != Class::pointer) return sizeof(A) == sizeof(B) && alignof(A) == alignof(B);
  else {
    using To = std::remove_cv_t<std::remove_pointer_t<A>>;
    using Of = std::remove_cv_t<std::remove_pointer_t<B>>;
    // What a handle points to is the vendor's own matter.
    if constexpr (std::is_void_v<To> || std::is_void_v<Of>) return true;
    else return alike<To, Of>();
  }
}

template <class Ours, class Theirs>
struct Signatures {
  static constexpr bool alike = false;
};

template <class R, class... A, class S, class... B>
struct Signatures<R(A...), S(B...)> {
  static constexpr bool same() {
    if constexpr (sizeof...(A) != sizeof...(B)) return false;
    else return abi::alike<R, S>() && (abi::alike<A, B>() && ...);
  }
  static constexpr bool alike = same();
};

static_assert(Signatures<int(int, void**), unsigned(unsigned, int**)>::alike);
static_assert(!Signatures<int(int), int(int, int)>::alike);
static_assert(!Signatures<int(int), long(int)>::alike);
static_assert(!Signatures<int(size_t*), int(unsigned*)>::alike);
static_assert(!Signatures<int(float), int(int)>::alike);
static_assert(!Signatures<int(void*), int(int)>::alike);

}  // namespace abi
