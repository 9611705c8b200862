import { LockstepError } from '../errors.js';
import type { WaitOptions } from '../wait.js';
import { runWaitingSync, type Waiting } from '../waiting.js';
import type { Collective } from './collective.js';
import { gathering } from './gathering.js';
import { sealOfWords } from './seal-of-words.js';

/**
 * Gives every rank the bytes of all ranks, which may differ in length, in the order of ranks: one all-gather of lengths, then as
 * many as the longest needs rows. For what is said once, such as a rank's report; every rank calls it. Ranks are of one byte order.
 * @throws `ERR_RANKS_DIVERGED` for a length that is not as its rank sent it; what `allGatherSync` throws.
 */
export function allGatherBytesSync(collective: Collective, bytes: Uint8Array, options?: WaitOptions): Uint8Array[] {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  const table = new Int32Array(size * rowWords);
  row[0] = bytes.length;
  // A row of one word has no place for it.
  row[1] = sealOfWords(row, 0, 1);
  collective.allGatherSync(row, table, options);
  const starts = Array.from({ length: size }, (_, rank) => rank * rowWords);
  const wrong = [...starts.keys()].filter((rank) => {
    const start = starts[rank] as number;
    return table[start] < 0 || (rowWords > 1 && table[start + 1] !== sealOfWords(table, start, 1));
  });
  if (wrong.length > 0) {
    throw new LockstepError(
      'ERR_RANKS_DIVERGED',
      `What rank ${wrong.join(', ')} says of its length is not as it sent it; check the transport and this machine's memory`,
      { ranks: wrong },
    );
  }
  const lengths = starts.map((start) => table[start] as number);
  return runWaitingSync(gatheringKnown(collective, bytes, lengths, options));
}

/** `allGatherBytesSync` of a value that JSON can say. @throws as `allGatherBytesSync`. */
export function allGatherJsonSync<T>(collective: Collective, value: T, options?: WaitOptions): T[] {
  const bytes = new TextEncoder().encode(JSON.stringify(value));
  const all = allGatherBytesSync(collective, bytes, options);
  return all.map((each) => JSON.parse(new TextDecoder().decode(each)) as T);
}

/** What `allGatherBytesSync` gives, in either form, where every rank knows the lengths of all. @throws what `allGather` throws. */
export function* gatheringKnown(
  collective: Collective,
  bytes: Uint8Array,
  lengths: readonly number[],
  options?: WaitOptions,
): Waiting<Uint8Array[]> {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  const table = new Int32Array(size * rowWords);
  const all = lengths.map((length) => new Uint8Array(length));
  const longest = Math.max(...lengths);
  const [rowBytes, tableBytes] = [row, table].map((words) => new Uint8Array(words.buffer));
  for (let from = 0; from < longest; from += rowBytes.length) {
    rowBytes.fill(0);
    rowBytes.set(bytes.subarray(from, from + rowBytes.length));
    yield gathering(collective, row, table, options);
    for (const [rank, whole] of all.entries()) {
      const length = Math.min(rowBytes.length, whole.length - from);
      const start = rank * rowBytes.length;
      if (length > 0) whole.set(tableBytes.subarray(start, start + length), from);
    }
  }
  return all;
}
