import { CURSOR_WORDS, MIRRORS, STATE_WORDS, word } from '../planner/layout.js';
import type { PlannerModules } from '../planner/modules.js';
import { type BenchBatch, scheduleBatch } from './batches.js';
import type { BenchCase, BenchRow } from './measure.js';

const BLOCK_SIZE = 16;
/** Staging set 0 and the device: the mirrors that a step of set 0 brings up to date. */
const SYNCED = [MIRRORS.indexOf('staging0'), MIRRORS.indexOf('device')];

/** Rows of block tables, `requests` x `width` columns. */
export const TABLE_ROWS: readonly BenchRow[] = [
  { requests: 512, width: 2048 },
  { requests: 256, width: 512 },
].flatMap(({ requests, width }): BenchRow[] => [
  { name: `block-table-append-${requests}x${width}`, make: (modules) => appendCase(modules, requests, width) },
  { name: `block-table-rebuild-${requests}x${width}`, make: (modules) => rebuildCase(modules, requests, width) },
]);

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
  made.memory.metadata.kernel_block_table(0);
  return made;
}

function wholeTableFill({ memory }: BenchBatch, requests: number, width: number): () => void {
  const { metadata } = memory;
  const table = memory.offset('blockTable1');
  return () => metadata.limit_fill(table, requests * width * 4);
}

/**
 * What a steady step does to the table: one request in 16 enters a block, and the staging set and the edits for the device
 * follow. All requests get their next block beforehand, and are then set back by as many appends as a step has, in turn.
 * Setting back is timed with the rest.
 */
function appendCase(modules: PlannerModules, requests: number, width: number): BenchCase {
  const batch = tableBatch(modules, requests, width);
  const { memory } = batch;
  const { metadata } = memory;
  const state = memory.words('state');
  const cursors = memory.words('mirrorCursors');
  const counts = memory.words('mirrorCounts');
  const stride = memory.regions.sizes.maxPaddedRequests;
  const appendsAt = word(STATE_WORDS, 'appends');
  const cursorAt = SYNCED.map((mirror) => mirror * CURSOR_WORDS.length + word(CURSOR_WORDS, 'appends'));
  const countsAt = SYNCED.map((mirror) => mirror * stride);
  const before = state[appendsAt];
  for (const [index, row] of batch.rows.entries()) batch.requests.appendBlocks(row, [10_000_000 + index]);
  metadata.kernel_block_table(0);
  const grown = Array.from({ length: requests }, (_, index) => blocksOf(index));
  const step = requests / BLOCK_SIZE;
  let first = 0;
  return {
    ours: () => {
      cursors[cursorAt[0]] = before + first;
      cursors[cursorAt[1]] = before + first;
      for (let row = first; row < first + step; row++) {
        counts[countsAt[0] + row] = grown[row];
        counts[countsAt[1] + row] = grown[row];
      }
      first += step;
      state[appendsAt] = before + first;
      if (first === requests) first = 0;
      metadata.kernel_block_table(0);
    },
    limit: wholeTableFill(batch, requests, width),
    peer: { kind: 'append', queryLens: grown, blockSize: BLOCK_SIZE, maxBlocks: width },
  };
}

/** Every row of the table changes hands: the order is turned round before each call, and the table follows it. */
function rebuildCase(modules: PlannerModules, requests: number, width: number): BenchCase {
  const batch = tableBatch(modules, requests, width);
  const { memory } = batch;
  const { metadata } = memory;
  const state = memory.words('state');
  const order = memory.words('order');
  const orders = [Int32Array.from(batch.rows), Int32Array.from(batch.rows).reverse()];
  const version = word(STATE_WORDS, 'orderVersion');
  let turn = 0;
  return {
    ours: () => {
      turn ^= 1;
      order.set(orders[turn]);
      state[version]++;
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
