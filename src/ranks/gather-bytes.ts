import type { WaitOptions } from '../wait.js';
import type { Collective } from './collective.js';

/**
 * Gives every rank the bytes of all ranks, which may differ in length, in the order of ranks: one all-gather of lengths, then as
 * many as the longest needs rows. For what is said once, such as a rank's report; every rank calls it. Ranks are of one byte order.
 * @throws what `allGatherSync` throws.
 */
export function allGatherBytesSync(collective: Collective, bytes: Uint8Array, options?: WaitOptions): Uint8Array[] {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  const table = new Int32Array(size * rowWords);
  row[0] = bytes.length;
  collective.allGatherSync(row, table, options);
  const all = Array.from({ length: size }, (_, rank) => new Uint8Array(table[rank * rowWords]));
  const longest = Math.max(...all.map(({ length }) => length));
  const [rowBytes, tableBytes] = [row, table].map((words) => new Uint8Array(words.buffer));
  for (let from = 0; from < longest; from += rowBytes.length) {
    rowBytes.fill(0);
    rowBytes.set(bytes.subarray(from, from + rowBytes.length));
    collective.allGatherSync(row, table, options);
    for (const [rank, whole] of all.entries()) {
      const length = Math.min(rowBytes.length, whole.length - from);
      const start = rank * rowBytes.length;
      if (length > 0) whole.set(tableBytes.subarray(start, start + length), from);
    }
  }
  return all;
}
