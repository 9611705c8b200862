/** Words of the batch state, of a forward batch, and of what block tables catch up with: part of the layout, which exports them. */

/** Counters of the batch state. */
export const STATE_WORDS = [
  'freeRows',
  'generation',
  'step',
  'decodes',
  'prefills',
  'tokens',
  'poolTokens',
  'idDecodes',
  'depending',
  'built',
  'lastDecodes',
  'lanes',
  'gaps',
  'windowed',
  'moved',
  'listed',
  'longest',
  'longestKnown',
  'changedLanes',
  'orderChanges',
  'orderRows',
  'seenAlone',
] as const;

/** One request in the batch state. */
export const ROW_WORDS = [
  'active',
  'generation',
  'numComputedTokens',
  'lane',
  'step',
  'phase',
  'queryLen',
  'lastChunk',
  'tokenOffset',
  'tableRow',
  'dependsOn',
  'pending',
] as const;

/** This rank's part of a decision. `MAX_PARTS` records of `LOCAL_PART_WORDS` follow. */
export const LOCAL_WORDS = [
  'step',
  'staging',
  'tokens',
  'requests',
  'decodeRequests',
  'paddedTokens',
  'attentionRequests',
  'queryLen',
  'parts',
  'numLogits',
  'maxSeqLen',
  'rows',
] as const;

/** One part on this rank: half-open ranges of its real requests and tokens in the whole batch, and its padded counts. */
export const LOCAL_PART_WORDS = [
  'requestBegin',
  'requestEnd',
  'tokenBegin',
  'tokenEnd',
  'paddedTokens',
  'attentionRequests',
  'tableRow',
  'numLogits',
] as const;

/** What an edit or a schedule was refused for: code, the row, the value that was wrong, the limit it broke, and its KV cache group. */
export const ERROR_WORDS = ['code', 'row', 'value', 'limit', 'group'] as const;

/** Copies of the block table, each updated from its own cursor: two staging sets and the device's. */
export const MIRRORS = ['staging0', 'staging1', 'device'] as const;

/** The state of a copy: the changes of the order that it has read, how many rows it keeps current, and the appends it has read. */
export const CURSOR_WORDS = ['orderChanges', 'rows', 'appends'] as const;

/**
 * One append of blocks: the generation of the request, its row of the table (if it has one), the column, and the block; 0 where it is more
 * than one kernel block.
 */
export const APPEND_WORDS = ['generation', 'tableRow', 'column', 'block'] as const;

/** What a staging set's tensors hold that stays the same from one decode step to the next. */
export const STAMP_WORDS = ['queryLen', 'requests', 'attentionRequests', 'paddedTokens'] as const;

/** Null blocks after the last block of a request's list. */
export const BLOCK_LIST_TAIL = 16;

/** Most lists of decodes, by the step in which they enter a block. */
export const MAX_EVENT_BUCKETS = 64;

/** Decodes that each list has room for beyond an even share. */
export const EVENT_ROOM = 8;
