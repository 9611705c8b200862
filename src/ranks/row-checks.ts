import { LockstepError } from '../errors.js';
import type { Collective } from './collective.js';

/** Refuses a row or table of another shape than the collective's. @throws `ERR_INPUT_INVALID`. */
export function checkRows(collective: Collective, row: Int32Array, table: Int32Array): void {
  const { rowWords, size } = collective;
  if (row instanceof Int32Array && row.length === rowWords) {
    if (table instanceof Int32Array && table.length === rowWords * size) return;
    throw wrongLength('table', 'size * rowWords', rowWords * size, table);
  }
  throw wrongLength('row', 'rowWords', rowWords, row);
}

function wrongLength(name: string, shape: string, words: number, given: unknown): LockstepError {
  const found = given instanceof Int32Array ? `an Int32Array of ${given.length} words` : 'no Int32Array';
  return new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} is ${found}; it must be an Int32Array of ${words} words (${shape}).`,
    { name, expected: words, given: given instanceof Int32Array ? given.length : null },
  );
}
