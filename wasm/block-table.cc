// Each copy of the table remembers, row by row, whose blocks it holds and how many columns: what lies past them is 0.
// A request that only grew costs its new columns; a row that changed hands is copied and its old tail cleared. While the
// order stands, a copy looks at nothing but the requests that the log says were given blocks.
#include "block-table.h"

namespace lockstep {
namespace metadata {
namespace {

struct Change {
  int32_t begin;
  int32_t end;
  int32_t clear_end;
};

/// What row `row` of mirror `mirror` lacks to hold `count` columns of `generation`, noted as done.
inline Change catch_up(int32_t mirror, int32_t row, int32_t generation, int32_t count) {
  const int32_t index = mirror * limit(LIMIT_MAX_PADDED_REQUESTS) + row;
  int32_t* held_generation = region(REGION_MIRROR_GENERATIONS) + index;
  int32_t* held = region(REGION_MIRROR_COUNTS) + index;
  const bool same = *held_generation == generation && *held <= count;
  const Change change = {same ? *held : 0, count, same ? count : max(count, *held)};
  *held_generation = generation;
  *held = count;
  return change;
}

/// Kernel blocks [begin, end) of a request: a manager block of K tokens is K / kernel block size consecutive kernel blocks.
inline void copy_columns(int32_t* to, const int32_t* blocks, int32_t begin, int32_t end, int32_t per_block) {
  if (per_block == 1 && end - begin == 1) {
    to[begin] = blocks[begin];
  } else if (per_block == 1) {
    copy(to + begin, blocks + begin, end - begin);
  } else {
    for (int32_t column = begin; column < end; column++) to[column] = blocks[column / per_block] * per_block + column % per_block;
  }
}

/// A staging set's copy, or the device's, which is only told what it lacks.
struct Mirror {
  int32_t index;
  int32_t* table;
  int32_t* edits;
  int32_t edit_count;

  void bring_up(int32_t row, int32_t request, int32_t per_block) {
    const int32_t generation = request < 0 ? 0 : row_at(request)[ROW_GENERATION];
    const int32_t count = request < 0 ? 0 : row_at(request)[ROW_NUM_BLOCKS] * per_block;
    const Change change = catch_up(index, row, generation, count);
    if (table != nullptr) {
      int32_t* out = table + static_cast<int64_t>(row) * limit(LIMIT_TABLE_WIDTH);
      if (change.begin < change.end) copy_columns(out, block_list(request), change.begin, change.end, per_block);
      if (change.end < change.clear_end) fill(out + change.end, change.clear_end - change.end, 0);
    } else if (change.begin < change.clear_end) {
      int32_t* edit = edits + 4 * edit_count++;
      edit[0] = row;
      edit[1] = change.begin;
      edit[2] = change.clear_end;
      edit[3] = 0;
    }
  }

  void sync(int32_t requests, int32_t rows) {
    const int32_t* order = region(REGION_ORDER);
    const int32_t per_block = limit(LIMIT_BLOCK_SIZE) / limit(LIMIT_KERNEL_BLOCK_SIZE);
    const uint32_t log = limit(LIMIT_APPEND_LOG);
    const uint32_t appends = state()[STATE_APPENDS];
    int32_t* cursor = region(REGION_MIRROR_CURSORS) + index * CURSOR_WORDS;
    const uint32_t unseen = appends - static_cast<uint32_t>(cursor[CURSOR_APPENDS]);
    if (cursor[CURSOR_ORDER_VERSION] == state()[STATE_ORDER_VERSION] && cursor[CURSOR_ROWS] >= rows && unseen <= log) {
      for (uint32_t at = appends - unseen; at != appends; at++) {
        const int32_t request = region(REGION_APPEND_LOG)[at & (log - 1)];
        const int32_t row = row_at(request)[ROW_TABLE_ROW];
        if (row < requests && order[row] == request) bring_up(row, request, per_block);
      }
    } else {
      for (int32_t row = 0; row < rows; row++) bring_up(row, row < requests ? order[row] : -1, per_block);
      cursor[CURSOR_ROWS] = rows;
    }
    cursor[CURSOR_ORDER_VERSION] = state()[STATE_ORDER_VERSION];
    cursor[CURSOR_APPENDS] = static_cast<int32_t>(appends);
  }
};

}  // namespace

int32_t sync_block_table(int32_t set, int32_t requests, int32_t rows) {
  int32_t* table = region(set ? REGION_BLOCK_TABLE1 : REGION_BLOCK_TABLE0);
  Mirror staged = {set ? MIRROR_STAGING1 : MIRROR_STAGING0, table, nullptr, 0};
  Mirror uploaded = {MIRROR_DEVICE, nullptr, region(REGION_TABLE_EDITS), 0};
  staged.sync(requests, rows);
  uploaded.sync(requests, rows);
  return uploaded.edit_count;
}

/// The device's copy is unknown (a step was built that never reached it): the next steps upload whole rows again.
extern "C" void invalidate_device_table() {
  const int32_t rows = limit(LIMIT_MAX_PADDED_REQUESTS);
  fill(region(REGION_MIRROR_GENERATIONS) + MIRROR_DEVICE * rows, rows, -1);
  fill(region(REGION_MIRROR_COUNTS) + MIRROR_DEVICE * rows, rows, limit(LIMIT_TABLE_WIDTH));
  region(REGION_MIRROR_CURSORS)[MIRROR_DEVICE * CURSOR_WORDS + CURSOR_ORDER_VERSION] = -1;
}

}  // namespace metadata
}  // namespace lockstep
