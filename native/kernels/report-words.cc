#include "report-words.h"

#include <cstdio>
#include <cstring>

namespace lockstep {

namespace {

// `%1` to `%3` are the report's integers; `%1r` and `%1c` the row and column that one of them holds, as place_of() made it;
// `%1f` a float by its bits.
const char* pattern_of(int fault) {
  switch (fault) {
    case FAULT_SLOT:
      return "slots[%1] is %2, the cache has %3 slots";
    case FAULT_LENGTH:
      return "seqLens[%1] is %2, a row of the block table holds %3";
    case FAULT_OUT_FULL:
      return "out holds %1 values, row %2 needs %3";
    case FAULT_BLOCK:
      return "blockTable[%1r][%1c] is %2, the cache has %3 blocks";
    case FAULT_LISTED_ROW:
      return "rows[%1] is %2, there are %3";
    case FAULT_EDIT:
      return "edit %1 is columns %3r to %3c of row %2, which does not lie in both tables";
    case FAULT_ROW_COUNT:
      return "counts[%1] is %2, there is room for %3 rows of a rank";
    case FAULT_VIEW_FULL:
      return "the view holds %1 rows, those up to rank %2 are %3";
    case FAULT_LAST_ROW:
      return "source[%1] is %2, the last step has %3 rows";
    case FAULT_ACCEPTED:
      return "accepted[%1] is %2, of at most %3 drafts";
    case FAULT_TOKEN_REQUEST:
      return "tokenToRequest[%1] is %2, there are %3 requests";
    case FAULT_NO_DRAFT:
      return "token %1 is number %2 of its request, with at most %3 drafts";
    case FAULT_POSITION:
      return "request %1 is at position %2, a row of the block table has %3 blocks";
    case FAULT_NO_BLOCK:
      return "blockTable[%1r][%1c] is %2, which is no block for position %3";
    case FAULT_ID:
      return "ids[%1] is %2, the table has %3 rows";
    case FAULT_INDEX:
      return "indices[%1] is %2, there are %3 rows";
    case FAULT_ROTATION:
      return "positions[%1] is %2, the tables of angles have %3 rows";
    case FAULT_TOKEN_POSITION:
      return "positions[%1] is %2, a row of the block table has %3 positions";
    case FAULT_TEMPERATURE:
      return "controls[%1][0] is a temperature of %2f; give 0 or a finite number above it";
    case FAULT_TOP_K:
      return "controls[%1][1] is a top-k of %2; give 0 for all, or more";
    case FAULT_TOP_P:
      return "controls[%1][2] is a top-p of %2f; give a number above 0 and up to 1";
    case FAULT_CHOSEN:
      return "chosen[%1r][%1c] is %2, which is no expert";
    case FAULT_LOGIT:
      return "logits[%1r][%1c] is not a number: a weight of the model is none, or its values are beyond those of a float";
    case FAULT_FIRST:
      return "first[%1] is %2, there are %3 sampled tokens";
    default:
      return "unknown fault %1, %2, %3";
  }
}

}  // namespace

std::string words_of(const Report& report) {
  std::string words;
  for (const char* at = pattern_of(report.fault); *at != '\0'; at++) {
    if (*at != '%') {
      words += *at;
      continue;
    }
    const int64 value = report.values[*++at - '1'];
    const char part = at[1];
    if (part == 'r' || part == 'c' || part == 'f') at++;
    if (part == 'f') {
      float number;
      std::memcpy(&number, &value, sizeof(number));
      char text[32];
      std::snprintf(text, sizeof(text), "%g", static_cast<double>(number));
      words += text;
      continue;
    }
    words += std::to_string(part == 'r' ? value >> 32 : part == 'c' ? static_cast<int>(value) : value);
  }
  return words;
}

const char* kernel_of(const Report& report) {
  static const char* const names[] = {
#define LOCKSTEP_KERNEL(name) #name,
#include "kernel-names.inc"
#undef LOCKSTEP_KERNEL
  };
  return report.kernel >= 0 && report.kernel < KERNEL_COUNT ? names[report.kernel] : "unknown";
}

}  // namespace lockstep
