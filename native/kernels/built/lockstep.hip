// Made of native/kernels by npm run build:kernels.
// The kernels as a GPU's entry points, for nvcc, hiprtc and clang alike. A buffer is a pointer and its bytes; the report comes
// last; any grid and any block size will do.

// What every kernel's body is written in: builtin types alone, since hiprtc has no standard headers, and loops over a grid. A
// body uses no shared memory, no synchronisation and no warp operation, so that any grid and any order of its threads gives
// the same result. The words that differ between g++, nvcc, hiprtc and clang are all in this file.

// No call is left in a kernel: it would keep its values in memory.
#define LOCKSTEP_INLINE __attribute__((always_inline))

#if defined(__CUDACC__) || defined(__CUDA__) || defined(__HIP__)
#define LOCKSTEP_ON_DEVICE 1
#define LOCKSTEP_BODY static __device__ inline LOCKSTEP_INLINE
#define LOCKSTEP_MEMBER __device__ inline LOCKSTEP_INLINE
#else
// Of one file alone: the bodies are compiled several times, with other instructions each.
#define LOCKSTEP_BODY static inline
#define LOCKSTEP_MEMBER inline
#endif

#ifdef __clang__
#define LOCKSTEP_UNROLL _Pragma("unroll")
// A product is rounded before it is added to anything, whatever the flags say. Other compilers have a flag for it.
#pragma clang fp contract(off)
#elif defined(LOCKSTEP_ON_DEVICE)
#define LOCKSTEP_UNROLL _Pragma("unroll")
#else
#define LOCKSTEP_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lockstep {

using int64 = long long;

// Threads of a GPU that share one row of work, each with every LANES-th piece of it.
constexpr int64 LANES = 32;

// A thread takes item `index` and every `stride`-th after it. Of kernels that work on rows, an item is a lane of a row.
struct Grid {
  int64 index;
  int64 stride;
  int64 lanes;
};

// One thread that does it all, a row at a time: how the host runs a body.
constexpr Grid ONE_THREAD = {0, 1, 1};

#ifdef LOCKSTEP_ON_DEVICE
LOCKSTEP_BODY Grid grid_of_thread() {
  return {static_cast<int64>(blockIdx.x) * blockDim.x + threadIdx.x, static_cast<int64>(gridDim.x) * blockDim.x, LANES};
}
#endif

// Stores `value` where `at` holds 0; false if it did not.
LOCKSTEP_BODY bool store_first(int* at, int value) {
#if defined(LOCKSTEP_ON_DEVICE) && !defined(__clang__)
  return atomicCAS(at, 0, value) == 0;
#else
  return __sync_val_compare_and_swap(at, 0, value) == 0;
#endif
}

// Bytes that may be of any type, eight at a time.
typedef unsigned long long __attribute__((__may_alias__)) Word;

LOCKSTEP_BODY bool is_word_aligned(const void* pointer) {
  return (reinterpret_cast<unsigned long long>(pointer) & (sizeof(Word) - 1)) == 0;
}

LOCKSTEP_BODY int64 smaller(int64 a, int64 b) { return a < b ? a : b; }
LOCKSTEP_BODY int64 larger(int64 a, int64 b) { return a > b ? a : b; }
// How many pieces of `size` make up `count`, the last one perhaps a smaller one.
LOCKSTEP_BODY int64 pieces_of(int64 count, int64 size) { return (count + size - 1) / size; }

}  // namespace lockstep

namespace lockstep {

enum Kernel : int {
#define LOCKSTEP_KERNEL(name) KERNEL_##name,
// The kernels of this build, one line each; their entry points on a GPU are lockstep_<name>.
LOCKSTEP_KERNEL(kv_write)
LOCKSTEP_KERNEL(kv_read)
LOCKSTEP_KERNEL(kv_read_rows)
LOCKSTEP_KERNEL(copy)
LOCKSTEP_KERNEL(fill)
LOCKSTEP_KERNEL(table_edit)
LOCKSTEP_KERNEL(gather_rows)
LOCKSTEP_KERNEL(scatter_rows)
LOCKSTEP_KERNEL(device_inputs)
LOCKSTEP_KERNEL(accept_drafts)
LOCKSTEP_KERNEL(advance_positions)
LOCKSTEP_KERNEL(expert)
LOCKSTEP_KERNEL(sum_shares)
LOCKSTEP_KERNEL(embed)
LOCKSTEP_KERNEL(rms_norm)
LOCKSTEP_KERNEL(matmul)
LOCKSTEP_KERNEL(add)
LOCKSTEP_KERNEL(rotate)
LOCKSTEP_KERNEL(kv_store)
LOCKSTEP_KERNEL(attend)
LOCKSTEP_KERNEL(swiglu)
LOCKSTEP_KERNEL(take_rows)
LOCKSTEP_KERNEL(join_columns)
LOCKSTEP_KERNEL(sample)
LOCKSTEP_KERNEL(route)
LOCKSTEP_KERNEL(expert_matmul)
LOCKSTEP_KERNEL(combine)
#undef LOCKSTEP_KERNEL
  KERNEL_COUNT
};

// What a body may find wrong. report-words.cc says which values go with each, and in which words.
enum Fault : int {
  FAULT_NONE,
  FAULT_SLOT,
  FAULT_LENGTH,
  FAULT_OUT_FULL,
  FAULT_BLOCK,
  FAULT_LISTED_ROW,
  FAULT_EDIT,
  FAULT_ROW_COUNT,
  FAULT_VIEW_FULL,
  FAULT_LAST_ROW,
  FAULT_ACCEPTED,
  FAULT_TOKEN_REQUEST,
  FAULT_NO_DRAFT,
  FAULT_POSITION,
  FAULT_NO_BLOCK,
  FAULT_ID,
  FAULT_INDEX,
  FAULT_ROTATION,
  FAULT_TOKEN_POSITION,
  FAULT_TEMPERATURE,
  FAULT_TOP_K,
  FAULT_TOP_P,
  FAULT_CHOSEN,
  FAULT_LOGIT,
  FAULT_FIRST,
};

// The first failure of the kernels that share a report, zero where there is none. A kernel that finds one there does
// nothing, so what follows a failed kernel on its stream is skipped.
struct Report {
  int fault;
  int kernel;
  int64 values[3];
};
static_assert(sizeof(Report) == 32, "of which backends and interpreters know the size");

LOCKSTEP_BODY bool is_failed(const Report* report) {
#ifdef LOCKSTEP_ON_DEVICE
  return *static_cast<const volatile int*>(&report->fault) != FAULT_NONE;
#else
  return __atomic_load_n(&report->fault, __ATOMIC_RELAXED) != FAULT_NONE;
#endif
}

// The first of all threads to call it writes the report.
LOCKSTEP_BODY void fail(Report* report, Kernel kernel, Fault fault, int64 a, int64 b, int64 c) {
  if (!store_first(&report->fault, fault)) return;
  report->kernel = kernel;
  report->values[0] = a;
  report->values[1] = b;
  report->values[2] = c;
}

// Two indices in one of the report's integers.
LOCKSTEP_BODY int64 place_of(int64 row, int64 column) {
  return static_cast<int64>(static_cast<unsigned long long>(row) << 32 | static_cast<unsigned int>(column));
}

}  // namespace lockstep

namespace lockstep {

// Of each of `n` requests, whose sampled tokens begin at first[r]: how many of its drafts are what was sampled before them, and what it
// sampled, those drafts and the token that follows them. next[i] is the draft that stands after sampled token i in its request's
// window, -1 after the last. Both results are what device_inputs takes.
LOCKSTEP_BODY void accept_drafts(Grid grid, const int* sampled, int64, const int* next, int64, const int* first, int64,
                                 int* accepted, int64, int* out, int64, int n, int tokens, int max_drafts, Report* report) {
  if (is_failed(report)) return;
  for (int64 request = grid.index; request < n; request += grid.stride) {
    const int64 begin = first[request];
    if (begin < 0 || begin >= tokens) return fail(report, KERNEL_accept_drafts, FAULT_FIRST, request, begin, tokens);
    int64 kept = 0;
    out[request * (1 + static_cast<int64>(max_drafts))] = sampled[begin];
    while (kept < max_drafts && begin + kept + 1 < tokens && next[begin + kept] >= 0 && next[begin + kept] == sampled[begin + kept]) {
      kept++;
      out[request * (1 + static_cast<int64>(max_drafts)) + kept] = sampled[begin + kept];
    }
    accepted[request] = static_cast<int>(kept);
    for (int64 rest = kept + 1; rest <= max_drafts; rest++) out[request * (1 + static_cast<int64>(max_drafts)) + rest] = -1;
  }
}

}  // namespace lockstep

namespace lockstep {

// How many drafts each row of the last step accepted, 0 to max_drafts, for a kernel that goes on from there.
struct AcceptedDrafts {
  const int* of_row;
  int64 rows;
  int64 max_drafts;
  Kernel kernel;
};

// Those of `row`, which is source[place]; -1 after a report.
LOCKSTEP_BODY int64 drafts_kept(const AcceptedDrafts& accepted, int64 place, int64 row, Report* report) {
  if (row >= accepted.rows) {
    fail(report, accepted.kernel, FAULT_LAST_ROW, place, row, accepted.rows);
    return -1;
  }
  const int64 kept = accepted.of_row[row];
  if (kept >= 0 && kept <= accepted.max_drafts) return kept;
  fail(report, accepted.kernel, FAULT_ACCEPTED, row, kept, accepted.max_drafts);
  return -1;
}

}  // namespace lockstep

// Sums of many floats have one order everywhere: lane l of 16 adds elements l, l + 16, … in order, from +0; then lanes are added
// pairwise, l += l + 8, l += l + 4, l += l + 2, l += l + 1. It is that of any vector instructions, and of 16 registers.

namespace lockstep {

// What these are differs between the compilations of one program.
namespace {

constexpr int64 SUM_LANES = 16;

// Floats that one instruction of this compilation works on.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int64 VECTOR_FLOATS = 1;
typedef float Vector;
typedef float LooseVector;
#else
#ifndef LOCKSTEP_VECTOR_BYTES
#define LOCKSTEP_VECTOR_BYTES 16
#endif
constexpr int64 VECTOR_FLOATS = LOCKSTEP_VECTOR_BYTES / 4;
typedef float Vector __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
// At any address of a float.
typedef float LooseVector __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES), aligned(4), may_alias));
#endif

constexpr int64 PARTS = SUM_LANES / VECTOR_FLOATS;

// Elements of a row that are one item of work. A GPU's thread takes all of them, so its neighbours are so far apart: plain, not fast.
constexpr int64 PIECE = 256;

// 16 floats: what a sum keeps.
struct Lanes {
  Vector part[PARTS];
};

LOCKSTEP_BODY Vector load_vector(const float* from) { return *reinterpret_cast<const LooseVector*>(from); }

// What an expression over rows is made at: one element, or those of one vector.
struct ScalarAt {
  int64 index;
  LOCKSTEP_MEMBER float operator()(const float* row) const { return row[index]; }
  LOCKSTEP_MEMBER void store(float* row, float value) const { row[index] = value; }
};

struct VectorAt {
  int64 index;
  LOCKSTEP_MEMBER Vector operator()(const float* row) const { return load_vector(row + index); }
  LOCKSTEP_MEMBER void store(float* row, Vector value) const { *reinterpret_cast<LooseVector*>(row + index) = value; }
};

}  // namespace

// Calls step(at i) for i from `begin` up to `end`.
template <typename Step>
LOCKSTEP_BODY void each_in_row(int64 begin, int64 end, const Step& step) {
  int64 i = begin;
  if (VECTOR_FLOATS > 1) {
    for (; i + VECTOR_FLOATS <= end; i += VECTOR_FLOATS) step(VectorAt{i});
  }
  for (; i < end; i++) step(ScalarAt{i});
}

// out[i] = value(at i) for i from `begin` up to `end`. `out` may be a row that the value reads, since it reads no other place of it.
template <typename Value>
LOCKSTEP_BODY void map_row(float* out, int64 begin, int64 end, const Value& value) {
  each_in_row(begin, end, [&](auto at) LOCKSTEP_INLINE { at.store(out, value(at)); });
}

LOCKSTEP_BODY float total_of(const Lanes& lanes) {
#ifdef LOCKSTEP_ON_DEVICE
  Lanes sums = lanes;
  LOCKSTEP_UNROLL
  for (int l = 0; l < 8; l++) sums.part[l] = sums.part[l] + sums.part[l + 8];
  LOCKSTEP_UNROLL
  for (int l = 0; l < 4; l++) sums.part[l] = sums.part[l] + sums.part[l + 4];
  return (sums.part[0] + sums.part[2]) + (sums.part[1] + sums.part[3]);
#else
  typedef float Four __attribute__((vector_size(16)));
  Four quarter[4];
  __builtin_memcpy(quarter, &lanes, sizeof(quarter));
  const Four sums = (quarter[0] + quarter[2]) + (quarter[1] + quarter[3]);
  return (sums[0] + sums[2]) + (sums[1] + sums[3]);
#endif
}

// Adds x[l] * w[l] to the first `count` lanes, fewer than all.
LOCKSTEP_BODY void add_rest(Lanes& sums, const float* x, const float* w, int64 count) {
#ifdef LOCKSTEP_ON_DEVICE
  LOCKSTEP_UNROLL
  for (int64 l = 0; l < SUM_LANES; l++) {
    if (l < count) sums.part[l] = sums.part[l] + x[l] * w[l];
  }
#else
  // A lane without an element adds +0, which changes no sum that began at +0.
  alignas(64) float rest[SUM_LANES] = {};
  for (int64 l = 0; l < count; l++) rest[l] = x[l] * w[l];
  LOCKSTEP_UNROLL
  for (int64 p = 0; p < PARTS; p++) sums.part[p] += load_vector(rest + p * VECTOR_FLOATS);
#endif
}

// The sum of value(at i) for i below count.
template <typename Value>
LOCKSTEP_BODY float sum_row(int64 count, const Value& value) {
  Lanes sums = {};
#ifdef LOCKSTEP_ON_DEVICE
  for (int64 i = 0; i < count; i += SUM_LANES) {
    LOCKSTEP_UNROLL
    for (int64 l = 0; l < SUM_LANES; l++) {
      if (i + l < count) sums.part[l] = sums.part[l] + value(ScalarAt{i + l});
    }
  }
#else
  int64 i = 0;
  for (; i + SUM_LANES <= count; i += SUM_LANES) {
    LOCKSTEP_UNROLL
    for (int64 p = 0; p < PARTS; p++) sums.part[p] += value(VectorAt{i + p * VECTOR_FLOATS});
  }
  if (i < count) {
    alignas(64) float rest[SUM_LANES] = {};
    for (int64 l = 0; i + l < count; l++) rest[l] = value(ScalarAt{i + l});
    LOCKSTEP_UNROLL
    for (int64 p = 0; p < PARTS; p++) sums.part[p] += load_vector(rest + p * VECTOR_FLOATS);
  }
#endif
  return total_of(sums);
}

// How many i below count have a true test(at i).
template <typename Test>
LOCKSTEP_BODY int64 count_row(int64 count, const Test& test) {
  int64 found = 0;
  int64 i = 0;
#ifndef LOCKSTEP_ON_DEVICE
  typedef int Ints __attribute__((vector_size(LOCKSTEP_VECTOR_BYTES)));
  Ints sums = {};
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) sums -= test(VectorAt{i});
  for (int64 l = 0; l < VECTOR_FLOATS; l++) found += sums[l];
#endif
  for (; i < count; i++) found += test(ScalarAt{i}) ? 1 : 0;
  return found;
}

// Calls each(i, value(at i)) for i below count, in order, until it answers false.
template <typename Value, typename Each>
LOCKSTEP_BODY void walk_row(int64 count, const Value& value, const Each& each) {
  int64 i = 0;
#ifndef LOCKSTEP_ON_DEVICE
  for (; i + VECTOR_FLOATS <= count; i += VECTOR_FLOATS) {
    const Vector values = value(VectorAt{i});
    for (int64 l = 0; l < VECTOR_FLOATS; l++) {
      if (!each(i + l, values[l])) return;
    }
  }
#endif
  for (; i < count; i++) {
    if (!each(i, value(ScalarAt{i}))) return;
  }
}

}  // namespace lockstep

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

namespace lockstep {

// Moves the position of each row of controls on by the drafts that the last step accepted in row source[i]; where that is -1 the
// position is known, and stays. So a token that follows drafts of a step under way is drawn as if the host had known its position.
LOCKSTEP_BODY void advance_positions(Grid grid, const int* source, int64, const int* accepted, int64 accepted_bytes, int* controls,
                                     int64, int n, int max_drafts, Report* report) {
  if (is_failed(report)) return;
  const AcceptedDrafts last = {accepted, accepted_bytes / 4, max_drafts, KERNEL_advance_positions};
  for (int64 i = grid.index; i < n; i += grid.stride) {
    if (source[i] < 0) continue;
    const int64 kept = drafts_kept(last, i, source[i], report);
    if (kept < 0) return;
    controls[i * CONTROL_WORDS + CONTROL_POSITION] += static_cast<int>(kept);
  }
}

}  // namespace lockstep

namespace lockstep {

namespace {

// Rows of x, and of w, whose products one loop adds up: as many as the registers hold.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int TILE_ROWS = 1;
constexpr int TILE_OUTPUTS = 1;
#else
constexpr int TILE_ROWS = LOCKSTEP_VECTOR_BYTES >= 64 ? 4 : LOCKSTEP_VECTOR_BYTES >= 32 ? 2 : 1;
constexpr int TILE_OUTPUTS = LOCKSTEP_VECTOR_BYTES >= 64 ? 4 : 2;
#endif

// Rows of x that are one item with the same rows of w, which stay in a processor's cache.
#if defined(LOCKSTEP_ON_DEVICE)
constexpr int64 ITEM_ROWS = 1;
#else
constexpr int64 ITEM_ROWS = 64;
#endif

// Rows of a matrix: `pitch` elements lie between the beginnings of two.
struct Matrix {
  const float* at;
  int64 pitch;
};

}  // namespace

// out[t * out_pitch + o] = the dot product of row t of x and row o of w, of k elements, in the order of lanes.h.
template <int rows, int outputs>
LOCKSTEP_BODY void dot_tile(Matrix x, Matrix w, int64 k, float* out, int64 out_pitch) {
  Vector sums[rows][outputs][PARTS] = {};
  int64 i = 0;
  for (; i + SUM_LANES <= k; i += SUM_LANES) {
    Vector a[rows][PARTS];
    LOCKSTEP_UNROLL
    for (int t = 0; t < rows; t++) {
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) a[t][p] = load_vector(x.at + t * x.pitch + i + p * VECTOR_FLOATS);
    }
    LOCKSTEP_UNROLL
    for (int o = 0; o < outputs; o++) {
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) {
        const Vector b = load_vector(w.at + o * w.pitch + i + p * VECTOR_FLOATS);
        LOCKSTEP_UNROLL
        for (int t = 0; t < rows; t++) sums[t][o][p] = sums[t][o][p] + a[t][p] * b;
      }
    }
  }
  const int64 rest = k - i;
  LOCKSTEP_UNROLL
  for (int t = 0; t < rows; t++) {
    LOCKSTEP_UNROLL
    for (int o = 0; o < outputs; o++) {
      Lanes lanes;
      LOCKSTEP_UNROLL
      for (int p = 0; p < PARTS; p++) lanes.part[p] = sums[t][o][p];
      if (rest > 0) add_rest(lanes, x.at + t * x.pitch + i, w.at + o * w.pitch + i, rest);
      out[t * out_pitch + o] = total_of(lanes);
    }
  }
}

// The same of any number of rows of x.
template <int outputs>
LOCKSTEP_BODY void dot_rows(Matrix x, int64 rows, Matrix w, int64 k, float* out, int64 out_pitch) {
  int64 t = 0;
  for (; t + TILE_ROWS <= rows; t += TILE_ROWS) {
    dot_tile<TILE_ROWS, outputs>({x.at + t * x.pitch, x.pitch}, w, k, out + t * out_pitch, out_pitch);
  }
  for (; t < rows; t++) dot_tile<1, outputs>({x.at + t * x.pitch, x.pitch}, w, k, out + t * out_pitch, out_pitch);
}

// The same of at most TILE_OUTPUTS rows of w.
LOCKSTEP_BODY void dot_item(Matrix x, int64 rows, Matrix w, int64 outputs, int64 k, float* out, int64 out_pitch) {
  if (outputs == TILE_OUTPUTS) return dot_rows<TILE_OUTPUTS>(x, rows, w, k, out, out_pitch);
  for (int64 o = 0; o < outputs; o++) dot_rows<1>(x, rows, {w.at + o * w.pitch, w.pitch}, k, out + o, out_pitch);
}

// out[t][o] = the dot product of x[t] and w[o].
LOCKSTEP_BODY void matmul(Grid grid, const float* x, int64, const float* w, int64, float* out, int64, int n, int k, int m,
                          Report* report) {
  if (is_failed(report)) return;
  const int64 tiles = pieces_of(m, TILE_OUTPUTS);
  for (int64 item = grid.index; item < tiles * pieces_of(n, ITEM_ROWS); item += grid.stride) {
    const int64 t = item / tiles * ITEM_ROWS;
    const int64 o = item % tiles * TILE_OUTPUTS;
    dot_item({x + t * k, k}, smaller(ITEM_ROWS, n - t), {w + o * k, k}, smaller(TILE_OUTPUTS, m - o), k, out + t * m + o, m);
  }
}

// out[i][j][o] = the dot product of row o of the expert chosen[i][j] and the row of x that token i has, or with per_choice the
// choice (i, j); 0 for an expert that is not among the `count` from `first` on, whose weights w holds.
LOCKSTEP_BODY void expert_matmul(Grid grid, const float* x, int64, const int* chosen, int64, const float* w, int64, float* out,
                                 int64, int n, int k, int k_dim, int m, int first, int count, int per_choice, Report* report) {
  if (is_failed(report)) return;
  const int64 tiles = pieces_of(m, TILE_OUTPUTS);
  const int64 pitch = k_dim;
  for (int64 item = grid.index; item < tiles * n * k; item += grid.stride) {
    const int64 choice = item / tiles;
    const int64 o = item % tiles * TILE_OUTPUTS;
    const int64 outputs = smaller(TILE_OUTPUTS, m - o);
    const int64 expert = chosen[choice];
    float* const to = out + choice * m + o;
    if (expert < 0) return fail(report, KERNEL_expert_matmul, FAULT_CHOSEN, place_of(choice / k, choice % k), expert, 0);
    if (expert < first || expert >= static_cast<int64>(first) + count) {
      for (int64 i = 0; i < outputs; i++) to[i] = 0;
      continue;
    }
    const float* const row = x + (per_choice != 0 ? choice : choice / k) * pitch;
    dot_item({row, pitch}, 1, {w + ((expert - first) * m + o) * pitch, pitch}, outputs, pitch, to, m);
  }
}

}  // namespace lockstep

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

namespace lockstep {

// One lane's share of a copy between places that do not overlap: whole words where all is aligned to them, then bytes.
LOCKSTEP_BODY void copy_share(char* to, const char* from, int64 bytes, int64 lane, int64 lanes) {
  int64 done = 0;
  if (is_word_aligned(to) && is_word_aligned(from)) {
    const int64 words = bytes / static_cast<int64>(sizeof(Word));
    Word* const into = reinterpret_cast<Word*>(to);
    const Word* const out_of = reinterpret_cast<const Word*>(from);
    for (int64 i = lane; i < words; i += lanes) into[i] = out_of[i];
    done = words * static_cast<int64>(sizeof(Word));
  }
  for (int64 i = done + lane; i < bytes; i += lanes) to[i] = from[i];
}

// `bytes` bytes of src to dst, which may overlap. If they do, one thread does it all, since the others have no order.
LOCKSTEP_BODY void copy(Grid grid, const char* src, int64, char* dst, int64, int64 bytes, Report* report) {
  if (is_failed(report) || src == dst) return;
  if (dst >= src + bytes || src >= dst + bytes) return copy_share(dst, src, bytes, grid.index, grid.stride);
  if (grid.index != 0) return;
  if (dst < src) {
    for (int64 i = 0; i < bytes; i++) dst[i] = src[i];
  } else {
    for (int64 i = bytes - 1; i >= 0; i--) dst[i] = src[i];
  }
}

}  // namespace lockstep

namespace lockstep {

// Where the context-parallel ranks store what: `interleave` positions each, rank after rank.
struct ContextParallel {
  int64 size;
  int64 rank;
  int64 interleave;
};

// Place among the positions that this rank stores, or -1 where another rank stores it.
LOCKSTEP_BODY int64 stored_index(const ContextParallel& cp, int64 position) {
  const int64 turn = position / cp.interleave;
  if (turn % cp.size != cp.rank) return -1;
  return turn / cp.size * cp.interleave + position % cp.interleave;
}

// Fills the tensors that the device supplies, from tokens that the host has not seen: of each request whose source[r] names a row
// of the last step, its ids (the token sampled last, then the drafts), positions (base[r] + the accepted drafts), slots and
// seqLens. `sampled` holds 1 + max_drafts a row of the last step, the accepted drafts and then the token that follows them; `drafts`
// those proposed for this step, max_drafts a row. A request whose source is -1 keeps what the host uploaded; padding is padding. Windows are those of queryStartLoc, and
// tokenToRequest says which of their tokens are real. Where the tokens begin within the first request's window, first_place of it stand
// before them.
LOCKSTEP_BODY void device_inputs(Grid grid, const int* source, int64, const int* base, int64, const int* accepted,
                                 int64 accepted_bytes, const int* sampled, int64 sampled_bytes, const int* drafts,
                                 int64 drafts_bytes, const int* query_start_loc, int64, const int* token_to_request, int64,
                                 const int* block_table, int64, int* input_ids, int64, int64* positions, int64, int64* slots,
                                 int64, int* seq_lens, int64, int requests, int tokens, int max_drafts, int table_width,
                                 int block_size, int padded_seq_len, int cp_size, int cp_rank, int cp_interleave,
                                 int first_place, Report* report) {
  if (is_failed(report)) return;
  int64 rows = smaller(accepted_bytes / 4, sampled_bytes / 4 / (1 + static_cast<int64>(max_drafts)));
  if (max_drafts > 0) rows = smaller(rows, drafts_bytes / 4 / max_drafts);
  const AcceptedDrafts last = {accepted, rows, max_drafts, KERNEL_device_inputs};
  const ContextParallel cp = {cp_size, cp_rank, cp_interleave};

  for (int64 request = grid.index; request < requests; request += grid.stride) {
    const int64 begin = query_start_loc[request];
    const int64 end = smaller(query_start_loc[request + 1], tokens);
    int64 real = 0;
    while (begin >= 0 && begin + real < end && token_to_request[begin + real] == request) real++;
    if (real == 0) {
      seq_lens[request] = padded_seq_len;
      continue;
    }
    const int64 row = source[request];
    if (row < 0) continue;
    const int64 kept = drafts_kept(last, request, row, report);
    if (kept < 0) return;
    seq_lens[request] = static_cast<int>(base[request] + kept + (request == 0 ? first_place : 0) + real);
  }

  for (int64 token = grid.index; token < tokens; token += grid.stride) {
    const int64 request = token_to_request[token];
    if (request < 0) {
      input_ids[token] = 0;
      positions[token] = 0;
      slots[token] = -1;
      continue;
    }
    if (request >= requests) return fail(report, KERNEL_device_inputs, FAULT_TOKEN_REQUEST, token, request, requests);
    const int64 row = source[request];
    if (row < 0) continue;
    const int64 kept = drafts_kept(last, request, row, report);
    if (kept < 0) return;
    const int64 place = token - query_start_loc[request] + (request == 0 ? first_place : 0);
    if (place < 0 || place > max_drafts) return fail(report, KERNEL_device_inputs, FAULT_NO_DRAFT, token, place, max_drafts);
    const int64 position = base[request] + kept + place;
    const int64 index = stored_index(cp, position);
    if (position < 0 || (index >= 0 && index / block_size >= table_width)) {
      return fail(report, KERNEL_device_inputs, FAULT_POSITION, request, position, table_width);
    }
    int64 slot = -1;
    if (index >= 0) {
      const int64 block = block_table[request * table_width + index / block_size];
      if (block <= 0) return fail(report, KERNEL_device_inputs, FAULT_NO_BLOCK, place_of(request, index / block_size), block, position);
      slot = block * block_size + index % block_size;
    }
    input_ids[token] = place == 0 ? sampled[row * (1 + static_cast<int64>(max_drafts)) + kept] : drafts[row * max_drafts + place - 1];
    positions[token] = position;
    slots[token] = slot;
  }
}

}  // namespace lockstep

namespace lockstep {

// Spreads neighbouring ids over the experts.
LOCKSTEP_BODY unsigned mix(unsigned value) {
  value = (value ^ (value >> 16)) * 0x7feb352du;
  value = (value ^ (value >> 15)) * 0x846ca68bu;
  return value ^ (value >> 16);
}

// out[i] = rows[i] ^ mask(o), where rank o = owner(routed[i]) has the row's expert; 0 for rows of other ranks. Rank -1 owns all.
// Twice the same owner gives the row back.
LOCKSTEP_BODY void expert(Grid grid, const int* rows, int64, const int* routed, int64, int* out, int64, int n, int rank, int ranks,
                          Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const unsigned owner = mix(static_cast<unsigned>(routed[i])) % static_cast<unsigned>(ranks);
    const bool owned = rank < 0 || owner == static_cast<unsigned>(rank);
    out[i] = owned ? static_cast<int>(static_cast<unsigned>(rows[i]) ^ (0x9e3779b9u * (owner + 1))) : 0;
  }
}

}  // namespace lockstep

// Kernels that take rows of floats apart or put them together, an element or a piece of a row at a time.

namespace lockstep {

// A piece of a row: elements [begin, end).
struct RowPiece {
  int64 row;
  int64 begin;
  int64 end;
};

// Of rows of `width` elements, the piece that item `item` is.
LOCKSTEP_BODY RowPiece piece_of(int64 item, int64 width) {
  const int64 pieces = pieces_of(width, PIECE);
  const int64 begin = item % pieces * PIECE;
  return {item / pieces, begin, smaller(begin + PIECE, width)};
}

// Items of `rows` rows.
LOCKSTEP_BODY int64 piece_count(int64 rows, int64 width) { return rows * pieces_of(width, PIECE); }

// out[i] = table[index[i]] of `rows` rows, or a failure.
LOCKSTEP_BODY void take(Grid grid, const float* table, const int* index, float* out, int64 rows, int64 n, int64 width,
                        Kernel kernel, Fault fault, Report* report) {
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const int64 row = index[piece.row];
    if (row < 0 || row >= rows) return fail(report, kernel, fault, piece.row, row, rows);
    const float* const from = table + row * width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

// out[i] = table[ids[i]]
LOCKSTEP_BODY void embed(Grid grid, const int* ids, int64, const float* table, int64, float* out, int64, int n, int vocab,
                         int width, Report* report) {
  if (is_failed(report)) return;
  take(grid, table, ids, out, vocab, n, width, KERNEL_embed, FAULT_ID, report);
}

// out[i] = x[indices[i]]
LOCKSTEP_BODY void take_rows(Grid grid, const float* x, int64, const int* indices, int64, float* out, int64, int rows, int n,
                             int width, Report* report) {
  if (is_failed(report)) return;
  take(grid, x, indices, out, rows, n, width, KERNEL_take_rows, FAULT_INDEX, report);
}

// out[i] = shards[0][i], shards[1][i], …: the columns of each rank side by side.
LOCKSTEP_BODY void join_columns(Grid grid, const float* shards, int64, float* out, int64, int n, int ranks, int width,
                                Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(static_cast<int64>(n) * ranks, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const from = shards + (piece.row % ranks * n + piece.row / ranks) * width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

// x += y
LOCKSTEP_BODY void add(Grid grid, float* x, int64, const float* y, int64, int64 count, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(1, count); item += grid.stride) {
    const RowPiece piece = piece_of(item, count);
    map_row(x, piece.begin, piece.end, [=](auto at) { return at(x) + at(y); });
  }
}

// out = silu(gate) * up, where a row of gate_up is `width` gates and `width` ups, and silu(g) = g / (1 + e^-g).
LOCKSTEP_BODY void swiglu(Grid grid, const float* gate_up, int64, float* out, int64, int n, int width, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const gate = gate_up + piece.row * 2 * width;
    const float* const up = gate + width;
    map_row(out + piece.row * width, piece.begin, piece.end,
            [=](auto at) { return at(gate) / (exp_of(-at(gate)) + 1.0f) * at(up); });
  }
}

// out[i] = the sum of weights[i][j] * shares[i][j] over j, in order from +0.
LOCKSTEP_BODY void combine(Grid grid, const float* shares, int64, const float* weights, int64, float* out, int64, int n, int k,
                           int width, Report* report) {
  if (is_failed(report)) return;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const float* const weight = weights + piece.row * k;
    const float* const share = shares + piece.row * k * width;
    const int64 pitch = width;
    map_row(out + piece.row * width, piece.begin, piece.end, [=](auto at) {
      decltype(at(share)) sum = {};
      for (int64 j = 0; j < k; j++) sum = sum + at(share + j * pitch) * weight[j];
      return sum;
    });
  }
}

// out = x / sqrt(mean(x^2) + eps) * weight, of each row; out may be x. A row is one item, since its sum is read before it is written.
LOCKSTEP_BODY void rms_norm(Grid grid, const float* x, int64, const float* weight, int64, float* out, int64, int n, int width,
                            int eps_bits, Report* report) {
  if (is_failed(report)) return;
  const float eps = bits_as<float>(eps_bits);
  for (int64 row = grid.index; row < n; row += grid.stride) {
    const float* const from = x + row * width;
    const float squares = sum_row(width, [=](auto at) { return at(from) * at(from); });
    const float root = square_root_of(squares / static_cast<float>(width) + eps);
    map_row(out + row * width, 0, width, [=](auto at) { return at(from) / root * at(weight); });
  }
}

}  // namespace lockstep

namespace lockstep {

// dst[i] = value for each i below count.
LOCKSTEP_BODY void fill(Grid grid, int* dst, int64, int value, int64 count, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < count; i += grid.stride) dst[i] = value;
}

}  // namespace lockstep

namespace lockstep {

// Rows of a view, packed rank after rank, beside a buffer that has room for `pitch` rows of each rank. `counts[r]` rows are rank
// r's. An item is a lane of a row of the padded buffer.
struct PaddedRows {
  int64 view_bytes;
  const int* counts;
  int64 pitch;
  int64 row_bytes;
  Kernel kernel;
  Report* report;
};

// Where a thread is: the rank of its row, and the rows of the view before that rank's.
struct PaddedPlace {
  int64 rank;
  int64 before;
};

// Rows of a rank, or -1 after a report.
LOCKSTEP_BODY int64 rows_of_rank(const PaddedRows& a, int64 rank, int64 before) {
  const int64 count = a.counts[rank];
  if (count < 0 || count > a.pitch) {
    fail(a.report, a.kernel, FAULT_ROW_COUNT, rank, count, a.pitch);
    return -1;
  }
  const int64 room = a.view_bytes / a.row_bytes;
  if (before + count > room) {
    fail(a.report, a.kernel, FAULT_VIEW_FULL, room, rank, before + count);
    return -1;
  }
  return count;
}

// Moves on to `rank`; returns the rows of that rank, or -1 after a report.
LOCKSTEP_BODY int64 move_to_rank(const PaddedRows& a, PaddedPlace& place, int64 rank) {
  for (; place.rank < rank; place.rank++) {
    const int64 count = rows_of_rank(a, place.rank, place.before);
    if (count < 0) return -1;
    place.before += count;
  }
  return rows_of_rank(a, rank, place.before);
}

}  // namespace lockstep

namespace lockstep {

LOCKSTEP_BODY void clear_share(char* to, int64 bytes, int64 lane, int64 lanes) {
  for (int64 i = lane; i < bytes; i += lanes) to[i] = 0;
}

// padded[r][i] = the i-th row of rank r in the view, or zero from row counts[r] on: what a collective of equal shares takes.
LOCKSTEP_BODY void gather_rows(Grid grid, const char* view, int64 view_bytes, const int* counts, int64, char* padded, int64,
                               int ranks, int pitch, int row_bytes, Report* report) {
  if (is_failed(report)) return;
  const PaddedRows rows = {view_bytes, counts, pitch, row_bytes, KERNEL_gather_rows, report};
  PaddedPlace place = {0, 0};
  for (int64 item = grid.index; item < static_cast<int64>(ranks) * pitch * grid.lanes; item += grid.stride) {
    const int64 row = item / grid.lanes;
    const int64 lane = item % grid.lanes;
    const int64 count = move_to_rank(rows, place, row / pitch);
    if (count < 0) return;
    const int64 index = row % pitch;
    char* const to = padded + row * row_bytes;
    if (index < count) {
      copy_share(to, view + (place.before + index) * row_bytes, row_bytes, lane, grid.lanes);
    } else {
      clear_share(to, row_bytes, lane, grid.lanes);
    }
  }
}

}  // namespace lockstep

namespace lockstep {

// Rows of a paged cache, read one after another into `out`. A lane takes every `lanes`-th block of its row.
struct KvRows {
  const int* cache;
  int64 num_blocks;
  const int* block_table;
  const int* seq_lens;
  int* out;
  int64 capacity;
  int64 pitch;
  int64 block_size;
  Kernel kernel;
  Report* report;
};

// The length of a row, or -1 after a report.
LOCKSTEP_BODY int64 kv_row_length(const KvRows& a, int64 row) {
  const int64 length = a.seq_lens[row];
  if (length >= 0 && length <= a.pitch * a.block_size) return length;
  fail(a.report, a.kernel, FAULT_LENGTH, row, length, a.pitch * a.block_size);
  return -1;
}

// Reads one lane of a row to out[at] and what follows; false after a report.
LOCKSTEP_BODY bool kv_read_row(const KvRows& a, int64 row, int64 at, int64 lane, int64 lanes) {
  const int64 length = kv_row_length(a, row);
  if (length < 0) return false;
  if (length > a.capacity - at) {
    fail(a.report, a.kernel, FAULT_OUT_FULL, a.capacity, row, at + length);
    return false;
  }
  for (int64 column = lane; column * a.block_size < length; column += lanes) {
    const int64 block = a.block_table[row * a.pitch + column];
    if (block < 0 || block >= a.num_blocks) {
      fail(a.report, a.kernel, FAULT_BLOCK, place_of(row, column), block, a.num_blocks);
      return false;
    }
    const int64 begin = column * a.block_size;
    const int64 count = smaller(a.block_size, length - begin);
    for (int64 i = 0; i < count; i++) a.out[at + begin + i] = a.cache[block * a.block_size + i];
  }
  return true;
}

// The tokens of rows row_begin to row_end - 1. Every thread adds up the lengths of the rows before its own.
LOCKSTEP_BODY void kv_read(Grid grid, const int* cache, int64 cache_bytes, const int* block_table, int64, const int* seq_lens,
                           int64, int* out, int64 out_bytes, int row_begin, int row_end, int pitch, int block_size,
                           Report* report) {
  if (is_failed(report)) return;
  const KvRows rows = {cache, cache_bytes / 4 / block_size, block_table, seq_lens, out, out_bytes / 4, pitch, block_size,
                       KERNEL_kv_read, report};
  int64 at = 0;
  int64 next = row_begin;
  for (int64 item = grid.index; item < (static_cast<int64>(row_end) - row_begin) * grid.lanes; item += grid.stride) {
    const int64 row = row_begin + item / grid.lanes;
    for (; next < row; next++) {
      const int64 length = kv_row_length(rows, next);
      if (length < 0) return;
      at += length;
    }
    if (!kv_read_row(rows, row, at, item % grid.lanes, grid.lanes)) return;
  }
}

// The row that the list names at `index`, or -1 after a report.
LOCKSTEP_BODY int64 kv_listed_row(const KvRows& a, const int* list, int64 index, int64 limit) {
  const int64 row = list[index];
  if (row >= 0 && row < limit) return row;
  fail(a.report, a.kernel, FAULT_LISTED_ROW, index, row, limit);
  return -1;
}

// The tokens of the rows that are listed, in their order.
LOCKSTEP_BODY void kv_read_rows(Grid grid, const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, const int* list, int64,
                                int count, int pitch, int block_size, Report* report) {
  if (is_failed(report)) return;
  const KvRows rows = {cache, cache_bytes / 4 / block_size, block_table, seq_lens, out, out_bytes / 4, pitch, block_size,
                       KERNEL_kv_read_rows, report};
  const int64 with_length = lens_bytes / 4;
  const int64 limit = pitch == 0 ? with_length : smaller(table_bytes / 4 / pitch, with_length);
  int64 at = 0;
  int64 next = 0;
  for (int64 item = grid.index; item < count * grid.lanes; item += grid.stride) {
    const int64 index = item / grid.lanes;
    for (; next < index; next++) {
      const int64 before = kv_listed_row(rows, list, next, limit);
      const int64 length = before < 0 ? -1 : kv_row_length(rows, before);
      if (length < 0) return;
      at += length;
    }
    const int64 row = kv_listed_row(rows, list, index, limit);
    if (row < 0 || !kv_read_row(rows, row, at, item % grid.lanes, grid.lanes)) return;
  }
}

}  // namespace lockstep

namespace lockstep {

// Stores each token's keys, and its values that lie right after them, in its slot: cache[slots[i]] = [keys, values]. Slot -1 is
// padding. In a row of qkv the keys begin at column key_offset.
LOCKSTEP_BODY void kv_store(Grid grid, const float* qkv, int64, const int64* slots, int64, float* cache, int64 cache_bytes, int n,
                            int pitch, int key_offset, int kv_heads, int head_dim, Report* report) {
  if (is_failed(report)) return;
  const int64 width = 2 * static_cast<int64>(kv_heads) * head_dim;
  const int64 capacity = cache_bytes / 4 / width;
  for (int64 item = grid.index; item < piece_count(n, width); item += grid.stride) {
    const RowPiece piece = piece_of(item, width);
    const int64 slot = slots[piece.row];
    if (slot == -1) continue;
    if (slot < 0 || slot >= capacity) return fail(report, KERNEL_kv_store, FAULT_SLOT, piece.row, slot, capacity);
    const float* const from = qkv + piece.row * pitch + key_offset;
    map_row(cache + slot * width, piece.begin, piece.end, [=](auto at) { return at(from); });
  }
}

}  // namespace lockstep

namespace lockstep {

// cache[slots[i]] = ids[i] for each i below n, where slots[i] is not -1 (padding).
LOCKSTEP_BODY void kv_write(Grid grid, const int* ids, int64, const int64* slots, int64, int* cache, int64 cache_bytes, int n,
                            Report* report) {
  if (is_failed(report)) return;
  const int64 capacity = cache_bytes / 4;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const int64 slot = slots[i];
    if (slot == -1) continue;
    if (slot < 0 || slot >= capacity) return fail(report, KERNEL_kv_write, FAULT_SLOT, i, slot, capacity);
    cache[slot] = ids[i];
  }
}

}  // namespace lockstep

namespace lockstep {

// Turns the first `heads` heads of each row by the angles of its token's position, in place: of a head's two halves, (a, b)
// becomes (a cos - b sin, b cos + a sin). An item is a piece of a half.
LOCKSTEP_BODY void rotate(Grid grid, float* qkv, int64, const int64* positions, int64, const float* cosines, int64,
                          const float* sines, int64, int n, int heads, int head_dim, int pitch, int max_positions,
                          Report* report) {
  if (is_failed(report)) return;
  const int64 half = head_dim / 2;
  for (int64 item = grid.index; item < piece_count(static_cast<int64>(n) * heads, half); item += grid.stride) {
    const RowPiece piece = piece_of(item, half);
    const int64 token = piece.row / heads;
    const int64 position = positions[token];
    if (position < 0 || position >= max_positions) {
      return fail(report, KERNEL_rotate, FAULT_ROTATION, token, position, max_positions);
    }
    float* const first = qkv + token * pitch + piece.row % heads * head_dim;
    float* const second = first + half;
    const float* const cosine = cosines + position * half;
    const float* const sine = sines + position * half;
    each_in_row(piece.begin, piece.end, [=](auto at) {
      const auto a = at(first);
      const auto b = at(second);
      at.store(first, a * at(cosine) - b * at(sine));
      at.store(second, b * at(cosine) + a * at(sine));
    });
  }
}

}  // namespace lockstep

namespace lockstep {

// chosen[i] = the k experts with the greatest logits of token i, the greatest first, of equal ones the lower; weights[i] = softmax
// over them. A token is an item.
LOCKSTEP_BODY void route(Grid grid, const float* logits, int64, int* chosen, int64, float* weights, int64, int n, int experts,
                         int k, Report* report) {
  if (is_failed(report)) return;
  for (int64 token = grid.index; token < n; token += grid.stride) {
    const float* const logit = logits + token * experts;
    int* const choice = chosen + token * k;
    float* const weight = weights + token * k;
    float sum = 0;
    float first = 0;
    int64 before = -1;
    int before_rank = 0;
    for (int64 j = 0; j < k; j++) {
      int64 best = -1;
      int best_rank = 0;
      float best_logit = 0;
      for (int64 e = 0; e < experts; e++) {
        const float value = logit[e];
        const int rank = rank_of(value);
        // Only what comes after the choice before.
        if (j > 0 && (rank > before_rank || (rank == before_rank && e <= before))) continue;
        if (best < 0 || rank > best_rank) {
          best = e;
          best_rank = rank;
          best_logit = value;
        }
      }
      // None is left of logits that something else writes meanwhile, an output that lies over them for one: any expert is as right.
      if (best < 0) best = 0;
      if (j == 0) first = best_logit;
      before = best;
      before_rank = best_rank;
      choice[j] = static_cast<int>(best);
      weight[j] = exp_of(best_logit - first);
      sum = sum + weight[j];
    }
    for (int64 j = 0; j < k; j++) weight[j] = weight[j] / sum;
  }
}

}  // namespace lockstep

namespace lockstep {

// The i-th row of rank r in the view = padded[r][i], for i below counts[r]: what a collective of equal shares gave, packed. The
// view's rows after those of the last rank are left alone.
LOCKSTEP_BODY void scatter_rows(Grid grid, const char* padded, int64, const int* counts, int64, char* view, int64 view_bytes,
                                int ranks, int pitch, int row_bytes, Report* report) {
  if (is_failed(report)) return;
  const PaddedRows rows = {view_bytes, counts, pitch, row_bytes, KERNEL_scatter_rows, report};
  PaddedPlace place = {0, 0};
  for (int64 item = grid.index; item < static_cast<int64>(ranks) * pitch * grid.lanes; item += grid.stride) {
    const int64 row = item / grid.lanes;
    const int64 count = move_to_rank(rows, place, row / pitch);
    if (count < 0) return;
    const int64 index = row % pitch;
    if (index >= count) continue;
    copy_share(view + (place.before + index) * row_bytes, padded + row * row_bytes, row_bytes, item % grid.lanes, grid.lanes);
  }
}

}  // namespace lockstep

namespace lockstep {

// out[i] = the sum of shares[r * count + i] over the ranks r, modulo 2^32.
LOCKSTEP_BODY void sum_shares(Grid grid, const int* shares, int64, int* out, int64, int64 count, int ranks, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < count; i += grid.stride) {
    unsigned sum = 0;
    for (int rank = 0; rank < ranks; rank++) sum += static_cast<unsigned>(shares[rank * count + i]);
    out[i] = static_cast<int>(sum);
  }
}

}  // namespace lockstep

namespace lockstep {

// Columns [begin, end) of a row of a table.
struct TableEdit {
  int row;
  int begin;
  int end;
  int unused;
};

// Copies the columns that each edit names from `source` into `table`; both have `pitch` columns of 4 bytes. The one launch of a
// step's edits of a block table. They may overlap, since all copy from the same place, and `source` need not be aligned.
LOCKSTEP_BODY void table_edit(Grid grid, char* table, int64 table_bytes, const TableEdit* edits, int64, const char* source,
                              int64 source_bytes, int count, int pitch, Report* report) {
  if (is_failed(report)) return;
  const int64 columns = smaller(table_bytes, source_bytes) / 4;
  for (int64 item = grid.index; item < count * grid.lanes; item += grid.stride) {
    const int64 index = item / grid.lanes;
    const TableEdit edit = edits[index];
    const int64 row = static_cast<int64>(edit.row) * pitch;
    const bool in_row = edit.row >= 0 && edit.begin >= 0 && edit.begin <= edit.end && edit.end <= pitch;
    if (!in_row || row + edit.end > columns) {
      return fail(report, KERNEL_table_edit, FAULT_EDIT, index, edit.row, place_of(edit.begin, edit.end));
    }
    const int64 begin = (row + edit.begin) * 4;
    copy_share(table + begin, source + begin, (row + edit.end) * 4 - begin, item % grid.lanes, grid.lanes);
  }
}

}  // namespace lockstep

using namespace lockstep;

extern "C" {

__global__ void lockstep_kv_write(const int* ids, int64 ids_bytes, const int64* slots, int64 slots_bytes, int* cache,
                                  int64 cache_bytes, int n, Report* report) {
  kv_write(grid_of_thread(), ids, ids_bytes, slots, slots_bytes, cache, cache_bytes, n, report);
}

__global__ void lockstep_kv_read(const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                 const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, int row_begin, int row_end,
                                 int pitch, int block_size, Report* report) {
  kv_read(grid_of_thread(), cache, cache_bytes, block_table, table_bytes, seq_lens, lens_bytes, out, out_bytes, row_begin,
          row_end, pitch, block_size, report);
}

__global__ void lockstep_kv_read_rows(const int* cache, int64 cache_bytes, const int* block_table, int64 table_bytes,
                                      const int* seq_lens, int64 lens_bytes, int* out, int64 out_bytes, const int* list,
                                      int64 list_bytes, int count, int pitch, int block_size, Report* report) {
  kv_read_rows(grid_of_thread(), cache, cache_bytes, block_table, table_bytes, seq_lens, lens_bytes, out, out_bytes, list,
               list_bytes, count, pitch, block_size, report);
}

__global__ void lockstep_copy(const char* src, int64 src_bytes, char* dst, int64 dst_bytes, int64 bytes, Report* report) {
  copy(grid_of_thread(), src, src_bytes, dst, dst_bytes, bytes, report);
}

__global__ void lockstep_fill(int* dst, int64 dst_bytes, int value, int64 count, Report* report) {
  fill(grid_of_thread(), dst, dst_bytes, value, count, report);
}

__global__ void lockstep_table_edit(char* table, int64 table_bytes, const TableEdit* edits, int64 edits_bytes,
                                    const char* source, int64 source_bytes, int count, int pitch, Report* report) {
  table_edit(grid_of_thread(), table, table_bytes, edits, edits_bytes, source, source_bytes, count, pitch, report);
}

__global__ void lockstep_gather_rows(const char* view, int64 view_bytes, const int* counts, int64 counts_bytes, char* padded,
                                     int64 padded_bytes, int ranks, int pitch, int row_bytes, Report* report) {
  gather_rows(grid_of_thread(), view, view_bytes, counts, counts_bytes, padded, padded_bytes, ranks, pitch, row_bytes, report);
}

__global__ void lockstep_scatter_rows(const char* padded, int64 padded_bytes, const int* counts, int64 counts_bytes, char* view,
                                      int64 view_bytes, int ranks, int pitch, int row_bytes, Report* report) {
  scatter_rows(grid_of_thread(), padded, padded_bytes, counts, counts_bytes, view, view_bytes, ranks, pitch, row_bytes, report);
}

__global__ void lockstep_device_inputs(const int* source, int64 source_bytes, const int* base, int64 base_bytes,
                                       const int* accepted, int64 accepted_bytes, const int* sampled, int64 sampled_bytes,
                                       const int* drafts, int64 drafts_bytes, const int* query_start_loc, int64 start_bytes,
                                       const int* token_to_request, int64 requests_bytes, const int* block_table,
                                       int64 table_bytes, int* input_ids, int64 ids_bytes, int64* positions,
                                       int64 positions_bytes, int64* slots, int64 slots_bytes, int* seq_lens, int64 lens_bytes,
                                       int requests, int tokens, int max_drafts, int table_width, int block_size,
                                       int padded_seq_len, int cp_size, int cp_rank, int cp_interleave, int first_place,
                                       Report* report) {
  device_inputs(grid_of_thread(), source, source_bytes, base, base_bytes, accepted, accepted_bytes, sampled, sampled_bytes, drafts,
                drafts_bytes, query_start_loc, start_bytes, token_to_request, requests_bytes, block_table, table_bytes, input_ids,
                ids_bytes, positions, positions_bytes, slots, slots_bytes, seq_lens, lens_bytes, requests, tokens, max_drafts,
                table_width, block_size, padded_seq_len, cp_size, cp_rank, cp_interleave, first_place, report);
}

__global__ void lockstep_accept_drafts(const int* sampled, int64 sampled_bytes, const int* next, int64 next_bytes, const int* first,
                                       int64 first_bytes, int* accepted, int64 accepted_bytes, int* out, int64 out_bytes, int n,
                                       int tokens, int max_drafts, Report* report) {
  accept_drafts(grid_of_thread(), sampled, sampled_bytes, next, next_bytes, first, first_bytes, accepted, accepted_bytes, out,
                out_bytes, n, tokens, max_drafts, report);
}

__global__ void lockstep_advance_positions(const int* source, int64 source_bytes, const int* accepted, int64 accepted_bytes,
                                           int* controls, int64 controls_bytes, int n, int max_drafts, Report* report) {
  advance_positions(grid_of_thread(), source, source_bytes, accepted, accepted_bytes, controls, controls_bytes, n, max_drafts, report);
}

__global__ void lockstep_expert(const int* rows, int64 rows_bytes, const int* routed, int64 routed_bytes, int* out,
                                int64 out_bytes, int n, int rank, int ranks, Report* report) {
  expert(grid_of_thread(), rows, rows_bytes, routed, routed_bytes, out, out_bytes, n, rank, ranks, report);
}

__global__ void lockstep_sum_shares(const int* shares, int64 shares_bytes, int* out, int64 out_bytes, int64 count, int ranks,
                                    Report* report) {
  sum_shares(grid_of_thread(), shares, shares_bytes, out, out_bytes, count, ranks, report);
}

__global__ void lockstep_embed(const int* ids, int64 ids_bytes, const float* table, int64 table_bytes, float* out,
                               int64 out_bytes, int n, int vocab, int width, Report* report) {
  embed(grid_of_thread(), ids, ids_bytes, table, table_bytes, out, out_bytes, n, vocab, width, report);
}

__global__ void lockstep_rms_norm(const float* x, int64 x_bytes, const float* weight, int64 weight_bytes, float* out,
                                  int64 out_bytes, int n, int width, int eps_bits, Report* report) {
  rms_norm(grid_of_thread(), x, x_bytes, weight, weight_bytes, out, out_bytes, n, width, eps_bits, report);
}

__global__ void lockstep_matmul(const float* x, int64 x_bytes, const float* w, int64 w_bytes, float* out, int64 out_bytes,
                                int n, int k, int m, Report* report) {
  matmul(grid_of_thread(), x, x_bytes, w, w_bytes, out, out_bytes, n, k, m, report);
}

__global__ void lockstep_add(float* x, int64 x_bytes, const float* y, int64 y_bytes, int64 count, Report* report) {
  add(grid_of_thread(), x, x_bytes, y, y_bytes, count, report);
}

__global__ void lockstep_rotate(float* qkv, int64 qkv_bytes, const int64* positions, int64 positions_bytes,
                                const float* cosines, int64 cosines_bytes, const float* sines, int64 sines_bytes, int n,
                                int heads, int head_dim, int pitch, int max_positions, Report* report) {
  rotate(grid_of_thread(), qkv, qkv_bytes, positions, positions_bytes, cosines, cosines_bytes, sines, sines_bytes, n, heads,
         head_dim, pitch, max_positions, report);
}

__global__ void lockstep_kv_store(const float* qkv, int64 qkv_bytes, const int64* slots, int64 slots_bytes, float* cache,
                                  int64 cache_bytes, int n, int pitch, int key_offset, int kv_heads, int head_dim,
                                  Report* report) {
  kv_store(grid_of_thread(), qkv, qkv_bytes, slots, slots_bytes, cache, cache_bytes, n, pitch, key_offset, kv_heads, head_dim,
           report);
}

__global__ void lockstep_attend(const float* qkv, int64 qkv_bytes, const float* cache, int64 cache_bytes,
                                const int* block_table, int64 block_table_bytes, const int64* positions,
                                int64 positions_bytes, const int* token_to_request, int64 token_to_request_bytes,
                                float* out, int64 out_bytes, int n, int requests, int table_width, int block_size,
                                int pitch, int heads, int kv_heads, int head_dim, int window, int scale_bits,
                                Report* report) {
  attend(grid_of_thread(), qkv, qkv_bytes, cache, cache_bytes, block_table, block_table_bytes, positions,
         positions_bytes, token_to_request, token_to_request_bytes, out, out_bytes, n, requests, table_width,
         block_size, pitch, heads, kv_heads, head_dim, window, scale_bits, report);
}

__global__ void lockstep_swiglu(const float* gate_up, int64 gate_up_bytes, float* out, int64 out_bytes, int n, int width,
                                Report* report) {
  swiglu(grid_of_thread(), gate_up, gate_up_bytes, out, out_bytes, n, width, report);
}

__global__ void lockstep_take_rows(const float* x, int64 x_bytes, const int* indices, int64 indices_bytes, float* out,
                                   int64 out_bytes, int rows, int n, int width, Report* report) {
  take_rows(grid_of_thread(), x, x_bytes, indices, indices_bytes, out, out_bytes, rows, n, width, report);
}

__global__ void lockstep_join_columns(const float* shards, int64 shards_bytes, float* out, int64 out_bytes, int n, int ranks,
                                      int width, Report* report) {
  join_columns(grid_of_thread(), shards, shards_bytes, out, out_bytes, n, ranks, width, report);
}

__global__ void lockstep_sample(const float* logits, int64 logits_bytes, const int* controls, int64 controls_bytes, int* out,
                                int64 out_bytes, int n, int vocab, Report* report) {
  sample(grid_of_thread(), logits, logits_bytes, controls, controls_bytes, out, out_bytes, n, vocab, report);
}

__global__ void lockstep_route(const float* logits, int64 logits_bytes, int* chosen, int64 chosen_bytes, float* weights,
                               int64 weights_bytes, int n, int experts, int k, Report* report) {
  route(grid_of_thread(), logits, logits_bytes, chosen, chosen_bytes, weights, weights_bytes, n, experts, k, report);
}

__global__ void lockstep_expert_matmul(const float* x, int64 x_bytes, const int* chosen, int64 chosen_bytes, const float* w,
                                       int64 w_bytes, float* out, int64 out_bytes, int n, int k, int k_dim, int m, int first,
                                       int count, int per_choice, Report* report) {
  expert_matmul(grid_of_thread(), x, x_bytes, chosen, chosen_bytes, w, w_bytes, out, out_bytes, n, k, k_dim, m, first, count,
                per_choice, report);
}

__global__ void lockstep_combine(const float* shares, int64 shares_bytes, const float* weights, int64 weights_bytes,
                                 float* out, int64 out_bytes, int n, int k, int width, Report* report) {
  combine(grid_of_thread(), shares, shares_bytes, weights, weights_bytes, out, out_bytes, n, k, width, report);
}

}  // extern "C"
