// Made of native/kernels by npm run build:kernels.
// The kernels as a GPU's entry points, for nvcc, hiprtc and clang alike. A buffer is a pointer and its bytes; the report comes
// last; any grid and any block size will do.

// What every kernel's body is written in: builtin types alone, since hiprtc has no standard headers, and loops over a grid. A
// body uses no shared memory, no synchronisation and no warp operation, so that any grid and any order of its threads gives
// the same result. The words that differ between g++, nvcc, hiprtc and clang are all in this file.

#if defined(__CUDACC__) || defined(__CUDA__) || defined(__HIP__)
#define LOCKSTEP_ON_DEVICE 1
#define LOCKSTEP_BODY static __device__ inline
#else
#define LOCKSTEP_BODY inline
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
LOCKSTEP_KERNEL(expert)
LOCKSTEP_KERNEL(sum_shares)
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
};

// The first failure of the kernels that share a report, zero where there is none. A kernel that finds one there does
// nothing, so what follows a failed kernel on its stream is skipped.
struct Report {
  int fault;
  int kernel;
  int64 values[3];
};
static_assert(sizeof(Report) == 32, "of which backends and interpreters know the size");

LOCKSTEP_BODY bool is_failed(const Report* report) { return *static_cast<const volatile int*>(&report->fault) != FAULT_NONE; }

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

// What the last step left on the device, a row a request of that step.
struct LastStep {
  // Drafts that were accepted, 0 to max_drafts.
  const int* accepted;
  // What was sampled, 1 + max_drafts a row: the accepted drafts, then the token that follows them.
  const int* sampled;
  // Proposed for this step, max_drafts a row.
  const int* drafts;
  int64 rows;
  int64 max_drafts;
};

// Where the context-parallel ranks store what: `interleave` positions each, rank after rank.
struct ContextParallel {
  int64 size;
  int64 rank;
  int64 interleave;
};

// Drafts of its last step that a request kept, or -1 after a report.
LOCKSTEP_BODY int64 accepted_drafts(const LastStep& last, int64 request, int64 row, Report* report) {
  if (row >= last.rows) {
    fail(report, KERNEL_device_inputs, FAULT_LAST_ROW, request, row, last.rows);
    return -1;
  }
  const int64 accepted = last.accepted[row];
  if (accepted >= 0 && accepted <= last.max_drafts) return accepted;
  fail(report, KERNEL_device_inputs, FAULT_ACCEPTED, row, accepted, last.max_drafts);
  return -1;
}

// Place among the positions that this rank stores, or -1 where another rank stores it.
LOCKSTEP_BODY int64 stored_index(const ContextParallel& cp, int64 position) {
  const int64 turn = position / cp.interleave;
  if (turn % cp.size != cp.rank) return -1;
  return turn / cp.size * cp.interleave + position % cp.interleave;
}

// Fills the tensors that the device supplies, from tokens that the host has not seen: of each request whose source[r] names a row
// of the last step, its ids (the token sampled last, then the drafts), positions (base[r] + the accepted drafts), slots and
// seqLens. A request whose source is -1 keeps what the host uploaded; padding is padding. Windows are those of queryStartLoc, and
// tokenToRequest says which of their tokens are real.
LOCKSTEP_BODY void device_inputs(Grid grid, const int* source, int64, const int* base, int64, const int* accepted,
                                 int64 accepted_bytes, const int* sampled, int64 sampled_bytes, const int* drafts,
                                 int64 drafts_bytes, const int* query_start_loc, int64, const int* token_to_request, int64,
                                 const int* block_table, int64, int* input_ids, int64, int64* positions, int64, int64* slots,
                                 int64, int* seq_lens, int64, int requests, int tokens, int max_drafts, int table_width,
                                 int block_size, int padded_seq_len, int cp_size, int cp_rank, int cp_interleave,
                                 Report* report) {
  if (is_failed(report)) return;
  int64 rows = smaller(accepted_bytes / 4, sampled_bytes / 4 / (1 + static_cast<int64>(max_drafts)));
  if (max_drafts > 0) rows = smaller(rows, drafts_bytes / 4 / max_drafts);
  const LastStep last = {accepted, sampled, drafts, rows, max_drafts};
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
    const int64 kept = accepted_drafts(last, request, row, report);
    if (kept < 0) return;
    seq_lens[request] = static_cast<int>(base[request] + kept + real);
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
    const int64 kept = accepted_drafts(last, request, row, report);
    if (kept < 0) return;
    const int64 place = token - query_start_loc[request];
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
LOCKSTEP_BODY unsigned int mixed(unsigned int value) {
  value = (value ^ (value >> 16)) * 0x7feb352dU;
  value = (value ^ (value >> 15)) * 0x846ca68bU;
  return value ^ (value >> 16);
}

// out[i] = rows[i] ^ mask(o), where rank o = owner(routed[i]) has the row's expert, and 0 where that is not `rank`. Rank -1 owns all
// rows. Changed twice by the same owner, a row is what it was.
LOCKSTEP_BODY void expert(Grid grid, const int* rows, int64, const int* routed, int64, int* out, int64, int n, int rank,
                          int ranks, Report* report) {
  if (is_failed(report)) return;
  for (int64 i = grid.index; i < n; i += grid.stride) {
    const unsigned int owner = mixed(static_cast<unsigned int>(routed[i])) % static_cast<unsigned int>(ranks);
    const bool owned = rank < 0 || owner == static_cast<unsigned int>(rank);
    out[i] = owned ? rows[i] ^ static_cast<int>(0x9e3779b9U * (owner + 1)) : 0;
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
    unsigned int sum = 0;
    for (int64 rank = 0; rank < ranks; rank++) sum += static_cast<unsigned int>(shares[rank * count + i]);
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
                                       int padded_seq_len, int cp_size, int cp_rank, int cp_interleave, Report* report) {
  device_inputs(grid_of_thread(), source, source_bytes, base, base_bytes, accepted, accepted_bytes, sampled, sampled_bytes, drafts,
                drafts_bytes, query_start_loc, start_bytes, token_to_request, requests_bytes, block_table, table_bytes, input_ids,
                ids_bytes, positions, positions_bytes, slots, slots_bytes, seq_lens, lens_bytes, requests, tokens, max_drafts,
                table_width, block_size, padded_seq_len, cp_size, cp_rank, cp_interleave, report);
}

__global__ void lockstep_expert(const int* rows, int64 rows_bytes, const int* routed, int64 routed_bytes, int* out,
                                int64 out_bytes, int n, int rank, int ranks, Report* report) {
  expert(grid_of_thread(), rows, rows_bytes, routed, routed_bytes, out, out_bytes, n, rank, ranks, report);
}

__global__ void lockstep_sum_shares(const int* shares, int64 shares_bytes, int* out, int64 out_bytes, int64 count, int ranks,
                                    Report* report) {
  sum_shares(grid_of_thread(), shares, shares_bytes, out, out_bytes, count, ranks, report);
}

}  // extern "C"
