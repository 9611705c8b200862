// Each copy of the table remembers, row by row, whose blocks it holds and how many columns: what lies past them is 0.
// A request that only grew costs its new columns; a row that changed hands is copied and its old tail cleared. While the
// order stands, a copy looks at nothing but the requests that the log says were given blocks.
#include "block-table.h"

#include "vectors.h"

namespace lockstep {
namespace metadata {
namespace {

/// Blocks moved at once. A call of the machine's own copy costs more than a few of these, and so does a branch on what is left.
constexpr int32_t CHUNK = BLOCK_LIST_TAIL;

/// Copies `count` blocks and null blocks after them up to a whole chunk. There is room for it, and `from` has them.
inline void copy_chunks(int32_t* to, const int32_t* from, int32_t count) {
  // Rows lie a power of two apart: a load that follows a store to the same place of another page would wait for it.
  for (int32_t i = 0; i < count; i += CHUNK) {
    const i32x4 a = load<i32x4>(from + i), b = load<i32x4>(from + i + 4);
    const i32x4 c = load<i32x4>(from + i + 8), d = load<i32x4>(from + i + 12);
    store(to + i, a);
    store(to + i + 4, b);
    store(to + i + 8, c);
    store(to + i + 12, d);
  }
}

inline void clear_chunks(int32_t* to, int32_t count) {
  const i32x4 null_blocks = {0, 0, 0, 0};
  for (int32_t i = 0; i < count; i += CHUNK) {
    for (int32_t j = 0; j < CHUNK; j += 4) store(to + i + j, null_blocks);
  }
}

/// A staging set's copy, or the device's, which is only told what it lacks.
struct Mirror {
  /// Null for the device's.
  int32_t* table;
  int32_t* cursor;
  /// Whose blocks each row holds, and how many columns.
  int32_t* generations;
  int32_t* counts;
  int32_t* edits;
  int32_t edit_count = 0;
  int32_t width;
  /// A manager block of K tokens is K / kernel block size consecutive kernel blocks.
  int32_t per_block;
  // Looked up once: a store to the table might, for all the compiler knows, change the configuration.
  const int32_t* requests_of_batch = region(REGION_ROWS);
  const int32_t* block_counts;
  const int32_t* block_lists;
  int32_t stride;
  const int32_t* log;
  uint32_t appends;

  Mirror(const KvGroup& group, int32_t index, int32_t* of)
      : table(of),
        cursor(group.region(KV_GROUP_REGION_MIRROR_CURSORS) + index * CURSOR_WORDS),
        generations(group.region(KV_GROUP_REGION_MIRROR_GENERATIONS) + index * limit(LIMIT_MAX_PADDED_REQUESTS)),
        counts(group.region(KV_GROUP_REGION_MIRROR_COUNTS) + index * limit(LIMIT_MAX_PADDED_REQUESTS)),
        edits(group.region(KV_GROUP_REGION_TABLE_EDITS)),
        width(group.size(KV_GROUP_SIZE_TABLE_WIDTH)),
        per_block(group.block_size() / group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE)),
        block_counts(group.block_counts()),
        block_lists(group.region(KV_GROUP_REGION_BLOCK_LISTS)),
        stride(group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE)),
        log(group.region(KV_GROUP_REGION_APPEND_LOG)),
        appends(group.state()[KV_GROUP_STATE_APPENDS]) {}

  void note_edit(int32_t row, int32_t begin, int32_t end) {
    int32_t* edit = edits + 4 * edit_count++;
    edit[0] = row;
    edit[1] = begin;
    edit[2] = end;
    edit[3] = 0;
  }

  /// Makes row `row` hold `request`'s blocks, or none.
  inline void bring_up(int32_t row, int32_t request) {
    const int32_t* fields = requests_of_batch + request * ROW_WORDS;
    const int32_t generation = request < 0 ? 0 : fields[ROW_GENERATION];
    const int32_t count = request < 0 ? 0 : block_counts[request] * per_block;
    const int32_t held = counts[row];
    const bool grown = generations[row] == generation && held <= count;
    const int32_t begin = grown ? held : 0;
    generations[row] = generation;
    counts[row] = count;
    if (table == nullptr) {
      if (begin < max(count, held)) note_edit(row, begin, max(count, held));
      return;
    }
    int32_t* out = table + static_cast<int64_t>(row) * width;
    const int32_t* blocks = block_lists + static_cast<int64_t>(request) * stride;
    if (per_block == 1 && max(count, held) + CHUNK <= width) {
      copy_chunks(out + begin, blocks + begin, count - begin);
      clear_chunks(out + count, held - count);
      return;
    }
    if (per_block == 1) {
      copy(out + begin, blocks + begin, count - begin);
    } else {
      for (int32_t column = begin; column < count; column++) out[column] = blocks[column / per_block] * per_block + column % per_block;
    }
    fill(out + count, held - count, 0);
  }

  /// Follows the log of appends. The order is the one this copy holds.
  void follow(uint32_t from, uint32_t to, int32_t requests) {
    const int32_t* order = region(REGION_ORDER);
    const uint32_t mask = limit(LIMIT_APPEND_LOG) - 1;
    for (; from != to; from++) {
      const int32_t* append = log + (from & mask) * APPEND_WORDS;
      const int32_t request = append[APPEND_REQUEST];
      const int32_t row = row_at(request)[ROW_TABLE_ROW];
      if (row >= requests || order[row] != request) continue;
      if (append[APPEND_COUNT] != 1 || per_block != 1 || counts[row] != append[APPEND_COLUMN]) {
        bring_up(row, request);
        continue;
      }
      // The usual case, without a look at the request's blocks.
      const int32_t column = append[APPEND_COLUMN];
      counts[row] = column + 1;
      if (table == nullptr) {
        note_edit(row, column, column + 1);
      } else {
        table[static_cast<int64_t>(row) * width + column] = append[APPEND_BLOCK];
      }
    }
  }

  inline void sync(int32_t requests, int32_t rows) {
    const uint32_t seen = cursor[CURSOR_APPENDS];
    const bool stands = cursor[CURSOR_ORDER_VERSION] == state()[STATE_ORDER_VERSION] && cursor[CURSOR_ROWS] >= rows;
    // A row may be edited once an append, and there is room for an edit a row.
    if (stands && appends - seen <= static_cast<uint32_t>(min(limit(LIMIT_APPEND_LOG), limit(LIMIT_MAX_PADDED_REQUESTS)))) {
      follow(seen, appends, requests);
    } else {
      const int32_t* order = region(REGION_ORDER);
      for (int32_t row = 0; row < rows; row++) bring_up(row, row < requests ? order[row] : -1);
      cursor[CURSOR_ROWS] = rows;
    }
    cursor[CURSOR_ORDER_VERSION] = state()[STATE_ORDER_VERSION];
    cursor[CURSOR_APPENDS] = static_cast<int32_t>(appends);
  }
};

/// Whether nothing has happened since mirror `index` was brought up to date with as many rows.
bool is_current(const KvGroup& group, int32_t index, int32_t rows) {
  const int32_t* cursor = group.region(KV_GROUP_REGION_MIRROR_CURSORS) + index * CURSOR_WORDS;
  return cursor[CURSOR_ORDER_VERSION] == state()[STATE_ORDER_VERSION] &&
         cursor[CURSOR_APPENDS] == group.state()[KV_GROUP_STATE_APPENDS] && cursor[CURSOR_ROWS] >= rows;
}

}  // namespace

void sync_block_table(const KvGroup& group, int32_t set, int32_t requests, int32_t rows) {
  const int32_t staging = set ? MIRROR_STAGING1 : MIRROR_STAGING0;
  group.state()[KV_GROUP_STATE_TABLE_EDITS] = 0;
  if (is_current(group, staging, rows) && is_current(group, MIRROR_DEVICE, rows)) return;
  Mirror staged(group, staging, group.block_table(set));
  Mirror uploaded(group, MIRROR_DEVICE, nullptr);
  staged.sync(requests, rows);
  uploaded.sync(requests, rows);
  group.state()[KV_GROUP_STATE_TABLE_EDITS] = uploaded.edit_count;
}

/// The device's copies are unknown (a step was built that never reached them): the next steps upload whole rows again.
extern "C" void invalidate_device_table() {
  const int32_t rows = limit(LIMIT_MAX_PADDED_REQUESTS);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    fill(group.region(KV_GROUP_REGION_MIRROR_GENERATIONS) + MIRROR_DEVICE * rows, rows, -1);
    fill(group.region(KV_GROUP_REGION_MIRROR_COUNTS) + MIRROR_DEVICE * rows, rows, group.size(KV_GROUP_SIZE_TABLE_WIDTH));
    group.region(KV_GROUP_REGION_MIRROR_CURSORS)[MIRROR_DEVICE * CURSOR_WORDS + CURSOR_ORDER_VERSION] = -1;
  }
}

}  // namespace metadata
}  // namespace lockstep
