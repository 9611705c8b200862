#pragma once

#include "copy.h"

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
