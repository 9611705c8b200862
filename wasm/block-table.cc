// Each copy of the table remembers, row by row, whose blocks it holds and how many columns: what lies past them is 0.
// A request that only grew costs its new columns; a row that changed hands is copied and its old tail cleared.
#include "block-table.h"

namespace lockstep {
namespace {

struct Change {
  int32_t begin;
  int32_t end;
  int32_t clear_end;
};

/// What row `row` of mirror `mirror` lacks to hold `count` columns of `generation`, noted as done.
Change catch_up(int32_t mirror, int32_t row, int32_t generation, int32_t count) {
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
void copy_columns(int32_t* to, const int32_t* blocks, int32_t begin, int32_t end, int32_t per_block) {
  if (per_block == 1) {
    copy(to + begin, blocks + begin, end - begin);
    return;
  }
  for (int32_t column = begin; column < end; column++) to[column] = blocks[column / per_block] * per_block + column % per_block;
}

}  // namespace

int32_t sync_block_table(int32_t set, int32_t requests, int32_t rows) {
  const int32_t width = limit(LIMIT_TABLE_WIDTH);
  const int32_t per_block = limit(LIMIT_BLOCK_SIZE) / limit(LIMIT_KERNEL_BLOCK_SIZE);
  const int32_t* order = region(REGION_ORDER);
  int32_t* table = region(set ? REGION_BLOCK_TABLE1 : REGION_BLOCK_TABLE0);
  int32_t* edits = region(REGION_TABLE_EDITS);
  int32_t edit_count = 0;
  for (int32_t i = 0; i < rows; i++) {
    const bool real = i < requests && order[i] >= 0;
    const int32_t generation = real ? row_at(order[i])[ROW_GENERATION] : 0;
    const int32_t count = real ? row_at(order[i])[ROW_NUM_BLOCKS] * per_block : 0;
    int32_t* out = table + static_cast<int64_t>(i) * width;
    const Change staged = catch_up(set ? MIRROR_STAGING1 : MIRROR_STAGING0, i, generation, count);
    if (staged.begin < staged.end) copy_columns(out, block_list(order[i]), staged.begin, staged.end, per_block);
    if (staged.end < staged.clear_end) fill(out + staged.end, staged.clear_end - staged.end, 0);

    const Change uploaded = catch_up(MIRROR_DEVICE, i, generation, count);
    if (uploaded.begin < uploaded.clear_end) {
      int32_t* edit = edits + 4 * edit_count++;
      edit[0] = i;
      edit[1] = uploaded.begin;
      edit[2] = uploaded.clear_end;
      edit[3] = 0;
    }
  }
  return edit_count;
}

/// The device's copy is unknown (a step was built that never reached it): the next steps upload whole rows again.
extern "C" void invalidate_device_table() {
  const int32_t rows = limit(LIMIT_MAX_PADDED_REQUESTS);
  fill(region(REGION_MIRROR_GENERATIONS) + MIRROR_DEVICE * rows, rows, -1);
  fill(region(REGION_MIRROR_COUNTS) + MIRROR_DEVICE * rows, rows, limit(LIMIT_TABLE_WIDTH));
}

}  // namespace lockstep
