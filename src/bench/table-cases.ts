import { CURSOR_WORDS, KV_GROUP_STATE_WORDS, MIRRORS, word } from '../layout/index.js';
import type { PlannerModules } from '../memory/index.js';
import { type BenchBatch, decodes, scheduleBatch } from './batches.js';
import type { BenchCase, BenchRow } from './measure.js';

const BLOCK_SIZE = 16;
/** Blocks that each request of an append row is given, one per step: as many as the log of appends holds. */
const ROUNDS = 4;
/** Bytes that an append writes: an entry of a list, and one of the log. */
const APPEND_BYTES = 20;

/** Rows of block tables, `requests` x `width` columns. */
export const TABLE_ROWS: readonly BenchRow[] = [
  { requests: 512, width: 2048 },
  { requests: 256, width: 512 },
].flatMap(({ requests, width }): BenchRow[] => [
  { name: `block-table-append-${requests}x${width}`, make: (modules) => appendCase(modules, requests, width) },
  { name: `block-table-rebuild-${requests}x${width}`, make: (modules) => rebuildCase(modules, requests, width) },
]);

/** Rows of the edits before a build: requests that enter a block are given one, from JavaScript. */
export const EDIT_ROWS: readonly BenchRow[] = [16, 32].map((count) => ({
  name: `append-each-${count}`,
  make: (modules) => editCase(modules, count),
}));

/** 32 to 95 blocks of a request: 64 on average. */
function blocksOf(index: number): number {
  return 32 + ((index * 37) % 64);
}

function tableBatch(modules: PlannerModules, requests: number, width: number): BenchBatch {
  const batch = Array.from({ length: requests }, (_, index) => ({
    phase: 'decode' as const,
    start: BLOCK_SIZE,
    queryLen: 1,
    blocks: blocksOf(index),
  }));
  const made = scheduleBatch(modules, { blockSize: BLOCK_SIZE, maxModelLen: width * BLOCK_SIZE }, batch);
  for (let set = 0; set < 2; set++) made.memory.metadata.kernel_block_table(set);
  return made;
}

function wholeTableFill({ memory }: BenchBatch, requests: number, width: number): () => void {
  const { metadata } = memory;
  const table = memory.groupOffset('blockTable1');
  return () => metadata.limit_fill(table, requests * width * 4);
}

/**
 * What a steady step's build does for the table: one request in 16 has entered a block since the step before. The staging set
 * being written lacks the blocks of two steps, the device those of one. All blocks are appended beforehand, and the log's end is moved
 * on by one step at a time; after the last step everything is reset, which is timed too.
 */
function appendCase(modules: PlannerModules, requests: number, width: number): BenchCase {
  const batch = tableBatch(modules, requests, width);
  const { memory } = batch;
  const { metadata } = memory;
  const state = memory.groupWords('groupState');
  const cursors = memory.groupWords('mirrorCursors');
  const counts = memory.groupWords('mirrorCounts');
  const appendsAt = word(KV_GROUP_STATE_WORDS, 'appends');
  const cursorsAt = MIRRORS.map((_, mirror) => mirror * CURSOR_WORDS.length + word(CURSOR_WORDS, 'appends'));
  const held = counts.slice();
  const before = state[appendsAt];
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, row] of batch.rows.entries())
      batch.requests.appendBlocks(row, [1_000_000 + ROUNDS * index + round]);
  }
  const last = state[appendsAt];
  const step = requests / BLOCK_SIZE;
  let appends = last;
  let set = 0;
  return {
    ours: () => {
      if (appends === last) {
        counts.set(held);
        for (const at of cursorsAt) cursors[at] = before;
        appends = before;
      }
      appends += step;
      state[appendsAt] = appends;
      set ^= 1;
      metadata.kernel_block_table(set);
    },
    limit: wholeTableFill(batch, requests, width),
    peer: {
      kind: 'append',
      queryLens: batch.rows.map((_, index) => blocksOf(index)),
      blockSize: BLOCK_SIZE,
      maxBlocks: width,
    },
  };
}

/** `appendEach` of a block to each of `count` requests, beside a copy of what it writes. */
function editCase(modules: PlannerModules, count: number): BenchCase {
  const width = 2048;
  const { memory, requests, rows } = scheduleBatch(modules, { maxModelLen: width * BLOCK_SIZE }, decodes(count));
  const { metadata } = memory;
  const [from, to] = [memory.groupOffset('blockTable0'), memory.groupOffset('blockTable1')];
  let live = rows;
  let left = 0;
  const blockIds = rows.map((row) => 1 + row);
  const ready = (calls: number): void => {
    if (left < calls) {
      for (const row of live) requests.remove(row);
      live = rows.map(() => requests.add({ blockIds: [] }));
      left = width;
    }
    left -= calls;
  };
  return {
    most: width / 2,
    ready,
    ours: () => requests.appendEach(live, blockIds),
    limit: () => metadata.limit_copy(to, from, count * APPEND_BYTES),
    peer: null,
  };
}

/** Every row of the table gets another request: the order is reversed before each call, and the table follows it. */
function rebuildCase(modules: PlannerModules, requests: number, width: number): BenchCase {
  const batch = tableBatch(modules, requests, width);
  const { memory } = batch;
  const { metadata } = memory;
  const cursors = memory.groupWords('mirrorCursors');
  const order = memory.words('order');
  const orders = [Int32Array.from(batch.rows), Int32Array.from(batch.rows).reverse()];
  const keptRows = MIRRORS.map((_, mirror) => mirror * CURSOR_WORDS.length + word(CURSOR_WORDS, 'rows'));
  let turn = 0;
  return {
    ours: () => {
      turn ^= 1;
      order.set(orders[turn]);
      for (const at of keptRows) cursors[at] = 0;
      metadata.kernel_block_table(0);
    },
    limit: wholeTableFill(batch, requests, width),
    peer: {
      kind: 'table',
      queryLens: batch.rows.map((_, index) => blocksOf(index)),
      blockSize: BLOCK_SIZE,
      maxBlocks: width,
    },
  };
}
