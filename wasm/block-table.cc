// Each copy of the table remembers, row by row, whose blocks it holds and how many columns: what lies past them is 0.
// A request that only grew costs its new columns; a row that changed hands is copied and its old tail cleared. A copy looks at nothing
// but the rows that the log of the order says have another request, and the requests that the log of appends says were given blocks.
#include "block-table.h"

#include "vectors.h"

namespace lockstep {
namespace metadata {
namespace {

/// Blocks moved at once: two null tails of a list. With few long iterations the branch predictor misses the loop exit less often than with
/// many short ones, and calling memcpy costs more than the whole copy.
constexpr int32_t CHUNK = 2 * BLOCK_LIST_TAIL;

/// Writes columns [begin, end) of a row and up to a whole chunk of them: the first `count` from `blocks`, then null blocks. The row
/// has room for it, and its null blocks past `end` stay what they are.
inline void write_chunks(int32_t* row, const int32_t* blocks, int32_t begin, int32_t count, int32_t end) {
  int32_t* to = row + begin;
  const int32_t* from = blocks + begin;
  for (int32_t left = count - begin, columns = end - begin; columns > 0; left -= CHUNK, columns -= CHUNK) {
    // What lies past the null blocks after a list is another list, or an older one.
    const int32_t here = -left >> 31, further = (BLOCK_LIST_TAIL - left) >> 31;
    const i32x4 first = {here, here, here, here}, second = {further, further, further, further};
    // Rows lie a power of two apart: a load that follows a store to the same place of another page would wait for it.
    const i32x4 a = load<i32x4>(from), b = load<i32x4>(from + 4), c = load<i32x4>(from + 8), d = load<i32x4>(from + 12);
    const i32x4 e = load<i32x4>(from + 16), f = load<i32x4>(from + 20), g = load<i32x4>(from + 24), h = load<i32x4>(from + 28);
    store(to, a & first);
    store(to + 4, b & first);
    store(to + 8, c & first);
    store(to + 12, d & first);
    store(to + 16, e & second);
    store(to + 20, f & second);
    store(to + 24, g & second);
    store(to + 28, h & second);
    to += CHUNK;
    from += CHUNK;
  }
}

/// A staging set's copy, or the device's, of which only the edits that it lacks are written.
struct Mirror {
  /// Null for the device's.
  int32_t* table;
  int32_t* cursor;
  /// Whose blocks each row holds, and how many columns.
  int32_t* generations;
  int32_t* counts;
  int32_t* first_edit;
  int32_t* next_edit;
  int32_t width;
  /// A manager block of K tokens is K / kernel block size consecutive kernel blocks.
  int32_t per_block;
  // Read once: the compiler must assume that a store to the table changes the configuration.
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
        first_edit(group.region(KV_GROUP_REGION_TABLE_EDITS)),
        next_edit(first_edit),
        width(group.size(KV_GROUP_SIZE_TABLE_WIDTH)),
        per_block(group.block_size() / group.size(KV_GROUP_SIZE_KERNEL_BLOCK_SIZE)),
        block_counts(group.block_counts()),
        block_lists(group.region(KV_GROUP_REGION_BLOCK_LISTS)),
        stride(group.size(KV_GROUP_SIZE_BLOCK_LIST_STRIDE)),
        log(group.region(KV_GROUP_REGION_APPEND_LOG)),
        appends(group.state()[KV_GROUP_STATE_APPENDS]) {}

  int32_t edits() const { return static_cast<int32_t>(next_edit - first_edit) / 4; }

  /// Makes row `row` hold `request`'s blocks, or none where it is -1: `staged` in a staging set, else the edits are noted.
  template <bool staged>
  inline void bring_up(int32_t row, int32_t request) {
    const int32_t* fields = requests_of_batch + request * ROW_WORDS;
    const int32_t generation = request < 0 ? 0 : fields[ROW_GENERATION];
    const int32_t count = request < 0 ? 0 : block_counts[request] * per_block;
    const int32_t held = counts[row];
    const bool grown = generations[row] == generation && held <= count;
    const int32_t begin = grown ? held : 0;
    const int32_t end = max(count, held);
    generations[row] = generation;
    counts[row] = count;
    if (!staged) {
      store(next_edit, i32x4{row, begin, end, 0});
      next_edit += begin < end ? 4 : 0;
      return;
    }
    int32_t* out = table + row * width;
    const int32_t* blocks = block_lists + static_cast<int64_t>(max(request, 0)) * stride;
    if (per_block == 1 && end + CHUNK <= width) {
      write_chunks(out, blocks, begin, count, end);
      return;
    }
    if (per_block == 1) {
      copy(out + begin, blocks + begin, count - begin);
    } else {
      for (int32_t column = begin; column < count; column++) out[column] = blocks[column / per_block] * per_block + column % per_block;
    }
    fill(out + count, held - count, 0);
  }

  uint32_t seen() const { return cursor[CURSOR_APPENDS]; }
  uint32_t order_changes() const { return static_cast<uint32_t>(state()[STATE_ORDER_CHANGES] - cursor[CURSOR_ORDER_CHANGES]); }

  /// Whether the logs still have all that happened since the copy was brought up to date, and the edits of it have room. A row has at most
  /// one edit of its own, and one an append.
  bool remembers(int32_t rows) const {
    const uint32_t entries = limit(LIMIT_APPEND_LOG);
    const uint32_t grown = max(0, rows - cursor[CURSOR_ROWS]);
    const uint32_t appended = appends - seen();
    if (appended > entries || order_changes() > entries) return false;
    return appended + order_changes() + grown <= static_cast<uint32_t>(limit(LIMIT_MAX_PADDED_REQUESTS));
  }

  /// Brings up the first `rows` rows where they have another request than before: those that the order's log says, and those that the
  /// copy has not kept up. What requests were appended since they had their rows is left to the log of appends.
  template <bool staged>
  void follow_order(int32_t rows) {
    // What nobody else can reach stays in registers.
    Mirror own = *this;
    const int32_t* order = region(REGION_ORDER);
    const int32_t* places = region(REGION_ORDER_LOG);
    const int32_t mask = limit(LIMIT_APPEND_LOG) - 1;
    const int32_t kept = min(cursor[CURSOR_ROWS], rows);
    const int32_t last = state()[STATE_ORDER_CHANGES];
    for (int32_t change = cursor[CURSOR_ORDER_CHANGES]; kept > 0 && change != last; change++) {
      const int32_t place = places[change & mask];
      if (place < kept) own.bring_up<staged>(place, order[place]);
    }
    for (int32_t row = kept; row < rows; row++) own.bring_up<staged>(row, order[row]);
    next_edit = own.next_edit;
    cursor[CURSOR_ROWS] = rows;
    cursor[CURSOR_ORDER_CHANGES] = last;
  }

  void note_appends() { cursor[CURSOR_APPENDS] = static_cast<int32_t>(appends); }

  /// Makes every row be looked at, where what happened to it is not known.
  void forget() {
    cursor[CURSOR_ROWS] = 0;
    note_appends();
  }
};

/// Where an entry of the log does not say all: several blocks at once, blocks of several kernel blocks, or a row that is further already.
/// Returns where the next edit goes.
template <bool to_staged, bool to_uploaded>
__attribute__((noinline)) int32_t* bring_up_both(Mirror& staged, Mirror& uploaded, int32_t* edit, int32_t row, int32_t request) {
  uploaded.next_edit = edit;
  if (to_staged) staged.bring_up<true>(row, request);
  if (to_uploaded) uploaded.bring_up<false>(row, request);
  return uploaded.next_edit;
}

/// Brings both copies, or one, up to a run of the log of appends. Their rows have the order's requests already, so an entry counts only where
/// its request still has the row.
template <bool to_staged, bool to_uploaded>
inline void follow_run(Mirror& staged, Mirror& uploaded, const int32_t* append, const int32_t* end, int32_t rows) {
  // Read once: the compiler must assume that a store to the table changes these.
  const int32_t* order = region(REGION_ORDER);
  const int32_t* generations = to_staged ? staged.generations : uploaded.generations;
  int32_t* table = staged.table;
  int32_t* staged_counts = staged.counts;
  int32_t* uploaded_counts = uploaded.counts;
  int32_t* edit = uploaded.next_edit;
  const int32_t width = staged.width;
  for (; append != end; append += APPEND_WORDS) {
    const int32_t row = append[APPEND_TABLE_ROW];
    if (row >= rows || generations[row] != append[APPEND_GENERATION]) continue;
    const int32_t column = append[APPEND_COLUMN];
    const int32_t block = append[APPEND_BLOCK];
    int32_t other = 0;
    if (to_staged) other |= staged_counts[row] ^ column;
    if (to_uploaded) other |= uploaded_counts[row] ^ column;
    if (other != 0 || block == 0) {
      edit = bring_up_both<to_staged, to_uploaded>(staged, uploaded, edit, row, order[row]);
      continue;
    }
    // The usual case, without a look at the request.
    if (to_staged) {
      staged_counts[row] = column + 1;
      table[row * width + column] = block;
    }
    if (to_uploaded) {
      uploaded_counts[row] = column + 1;
      edit[0] = row;
      edit[1] = column;
      edit[2] = column + 1;
      edit[3] = 0;
      edit += 4;
    }
  }
  uploaded.next_edit = edit;
}

/// The same of entries [from, to) of the log, which is a ring.
template <bool to_staged, bool to_uploaded>
inline void follow(Mirror& staged, Mirror& uploaded, uint32_t from, uint32_t to, int32_t rows) {
  const uint32_t entries = limit(LIMIT_APPEND_LOG);
  while (from != to) {
    const uint32_t at = from & (entries - 1);
    const uint32_t run = to - from < entries - at ? to - from : entries - at;
    follow_run<to_staged, to_uploaded>(staged, uploaded, staged.log + at * APPEND_WORDS, staged.log + (at + run) * APPEND_WORDS, rows);
    from += run;
  }
}

/// Whether a copy of `rows` rows has all that happened.
inline bool is_current(const KvGroup& group, int32_t mirror, int32_t rows) {
  const int32_t* cursor = group.region(KV_GROUP_REGION_MIRROR_CURSORS) + mirror * CURSOR_WORDS;
  return cursor[CURSOR_ROWS] == rows && cursor[CURSOR_APPENDS] == group.state()[KV_GROUP_STATE_APPENDS] &&
         cursor[CURSOR_ORDER_CHANGES] == state()[STATE_ORDER_CHANGES];
}

}  // namespace

void sync_block_table(const KvGroup& group, int32_t set, int32_t rows) {
  if (is_current(group, set ? MIRROR_STAGING1 : MIRROR_STAGING0, rows) && is_current(group, MIRROR_DEVICE, rows)) {
    group.state()[KV_GROUP_STATE_TABLE_EDITS] = 0;
    return;
  }
  Mirror staged(group, set ? MIRROR_STAGING1 : MIRROR_STAGING0, group.block_table(set));
  Mirror uploaded(group, MIRROR_DEVICE, nullptr);
  if (!staged.remembers(rows)) staged.forget();
  if (!uploaded.remembers(rows)) uploaded.forget();
  staged.follow_order<true>(rows);
  uploaded.follow_order<false>(rows);
  const uint32_t appends = staged.appends, staged_seen = staged.seen(), uploaded_seen = uploaded.seen();
  // The device copy is updated every step, each staging set every second step. Appends that both miss are read once.
  if (appends - uploaded_seen <= appends - staged_seen) {
    follow<true, false>(staged, uploaded, staged_seen, uploaded_seen, rows);
    follow<true, true>(staged, uploaded, uploaded_seen, appends, rows);
  } else {
    follow<true, false>(staged, uploaded, staged_seen, appends, rows);
    follow<false, true>(staged, uploaded, uploaded_seen, appends, rows);
  }
  staged.note_appends();
  uploaded.note_appends();
  group.state()[KV_GROUP_STATE_TABLE_EDITS] = uploaded.edits();
}

/// The device's copies are unknown (a step was built that never reached them): the next steps upload whole rows again.
extern "C" void invalidate_device_table() {
  const int32_t rows = limit(LIMIT_MAX_PADDED_REQUESTS);
  for (int32_t g = 0; g < kv_groups(); g++) {
    const KvGroup group = kv_group(g);
    fill(group.region(KV_GROUP_REGION_MIRROR_GENERATIONS) + MIRROR_DEVICE * rows, rows, -1);
    fill(group.region(KV_GROUP_REGION_MIRROR_COUNTS) + MIRROR_DEVICE * rows, rows, group.size(KV_GROUP_SIZE_TABLE_WIDTH));
    group.region(KV_GROUP_REGION_MIRROR_CURSORS)[MIRROR_DEVICE * CURSOR_WORDS + CURSOR_ROWS] = 0;
  }
}

}  // namespace metadata
}  // namespace lockstep
