import { at, fails, i32Bytes, i32Of, i64Bytes, type KernelCases, poison, scalar, succeeds } from './case.js';
import type { Draws } from './draws.js';

/** More threads than any grid of the tests has. */
const BEYOND_GRID = 70;

/** A cache that begins some elements into its buffer; slots differ, since equal ones have no order. */
export const kvWrite: KernelCases = {
  kinds: ['failure', 'padding', 'offset', 'beyond one grid'],
  draw(draws) {
    const before = draws.from(0, 3);
    const capacity = draws.from(1, 90);
    const n = draws.from(0, Math.min(capacity, BEYOND_GRID));
    const ids = draws.list(n, () => draws.from(-1000, 1000));
    const slots = draws.distinct(n, capacity).map((slot) => (draws.once(4) ? -1 : slot));
    const kinds = [
      ...(slots.includes(-1) ? ['padding'] : []),
      ...(before > 0 ? ['offset'] : []),
      ...(n > 40 ? ['beyond one grid'] : []),
    ];
    const launchOf = (slotList: readonly number[]) => ({
      kernel: 'kv_write',
      buffers: [i32Bytes(ids), i64Bytes(slotList.map(BigInt)), poison((before + capacity) * 4)],
      values: [at(0), at(1), at(2, before * 4), scalar(n)],
    });
    if (n > 0 && draws.once(5)) {
      const index = draws.from(0, n - 1);
      const slot = draws.pick([-2, capacity, 2 ** 40]);
      const wrong = slots.with(index, slot);
      return fails(launchOf(wrong), kinds, `slots[${index}] is ${slot}, the cache has ${capacity} slots`);
    }
    return succeeds(launchOf(slots), kinds, ([, , cache = poison(0)]) => {
      for (const [i, slot] of slots.entries()) if (slot >= 0) i32Of(cache)[before + slot] = ids[i] ?? 0;
    });
  },
};

/** A cache of numbered slots, and rows of a block table over it. */
function pagedCache(draws: Draws) {
  const blockSize = draws.from(1, 5);
  const pitch = draws.once(3) ? draws.from(33, 40) : draws.from(1, 5);
  const numBlocks = draws.from(1, 12);
  const rows = draws.from(1, 6);
  const seqLens = draws.list(rows, () => draws.from(0, pitch * blockSize));
  const table = draws.list(rows * pitch, () => draws.from(0, numBlocks - 1));
  const cache = draws.list(numBlocks * blockSize, (slot) => 1000 + slot);
  const tokens = (row: number): number[] =>
    draws.list(seqLens[row] ?? 0, (position) => {
      const block = table[row * pitch + Math.floor(position / blockSize)] ?? 0;
      return cache[block * blockSize + (position % blockSize)] ?? 0;
    });
  return { blockSize, pitch, numBlocks, rows, seqLens, table, cache, tokens };
}

/** What is wrong with the rows that a read names, in its words; the values are changed in place. */
function spoilRow(draws: Draws, paged: ReturnType<typeof pagedCache>, row: number): string {
  const { blockSize, pitch, numBlocks, seqLens, table } = paged;
  const room = pitch * blockSize;
  if (draws.once(2)) {
    seqLens[row] = draws.pick([-1, room + 1]);
    return `seqLens[${row}] is ${seqLens[row]}, a row of the block table holds ${room}`;
  }
  seqLens[row] = room;
  const column = draws.from(0, pitch - 1);
  const block = draws.pick([-1, numBlocks]);
  table[row * pitch + column] = block;
  return `blockTable[${row}][${column}] is ${block}, the cache has ${numBlocks} blocks`;
}

/** Reads of a paged cache, by a range of rows or by a list of them. */
function readCases(kernel: 'kv_read' | 'kv_read_rows'): KernelCases {
  const listed = kernel === 'kv_read_rows';
  return {
    kinds: ['failure', 'first row not 0', 'more blocks than lanes', 'several rows', 'out too small'],
    draw(draws) {
      const paged = pagedCache(draws);
      const { blockSize, pitch, rows, seqLens, table, cache } = paged;
      const begin = draws.from(0, rows);
      const end = draws.from(begin, rows);
      const read = listed
        ? draws.list(draws.from(0, 5), () => draws.from(0, rows - 1))
        : draws.list(end - begin, (index) => begin + index);
      const spoilt = read.length > 0 && draws.once(6) ? draws.pick(read) : null;
      // Other rows give no tokens, so that every thread finds the same thing wrong.
      const wrong = spoilt === null ? null : spoilRow(draws, paged, spoilt);
      if (spoilt !== null) for (const row of seqLens.keys()) if (row !== spoilt) seqLens[row] = 0;
      const values = wrong === null ? read.flatMap(paged.tokens) : [];
      const size = wrong === null ? values.length : read.length * pitch * blockSize;
      const short = values.length > 0 && draws.once(8);
      const outside = listed && wrong === null && read.length > 0 && !short && draws.once(6);
      const list = outside ? read.with(0, draws.pick([-1, rows])) : read;
      const kinds = [
        ...(read.length > 0 && (read[0] ?? 0) > 0 ? ['first row not 0'] : []),
        ...(read.some((row) => (seqLens[row] ?? 0) > 32 * blockSize) ? ['more blocks than lanes'] : []),
        ...(read.length > 1 ? ['several rows'] : []),
        ...(short ? ['out too small'] : []),
      ];
      const own = listed ? [at(4), scalar(list.length)] : [scalar(begin), scalar(end)];
      const launch = {
        kernel,
        buffers: [
          i32Bytes(cache),
          i32Bytes(table),
          i32Bytes(seqLens),
          poison((short ? values.length - 1 : size + 1) * 4),
          i32Bytes(list),
        ],
        values: [at(0), at(1), at(2), at(3), ...own, scalar(pitch), scalar(blockSize)],
      };
      if (outside) return fails(launch, kinds, `rows[0] is ${list[0]}, there are ${rows}`);
      if (wrong !== null) return fails(launch, kinds, wrong);
      if (short) return fails(launch, kinds, null);
      return succeeds(launch, kinds, ([, , , out = poison(0)]) => i32Of(out).set(values));
    },
  };
}

export const kvRead: KernelCases = readCases('kv_read');
export const kvReadRows: KernelCases = readCases('kv_read_rows');
