#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/backend.h"

namespace lockstep {

// table_edit(table, edits[count], count, pitch, source): copies the columns that each edit names from `source`, which lies in
// the arena, into `table`; both have `pitch` columns of 4 bytes. The one launch of a step's block-table edits, an item an
// edit; they may overlap, since all copy from the same place. `source` need not be aligned.
inline void table_edit(std::byte* table, const RowEdit* edits, size_t count, uint32_t pitch, const std::byte* source) {
  for (size_t item = 0; item < count; item++) {
    const RowEdit& edit = edits[item];
    const size_t begin = (static_cast<size_t>(edit.row) * pitch + static_cast<size_t>(edit.begin)) * 4;
    std::memcpy(table + begin, source + begin, static_cast<size_t>(edit.end - edit.begin) * 4);
  }
}

}  // namespace lockstep
