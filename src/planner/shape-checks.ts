import type { ForwardBatch } from '../batch/index.js';
import { LockstepError } from '../errors.js';

/** The positions from 0 to `length - 1` that this rank of the context-parallel group stores: `interleaveSize` consecutive ones at a time. */
export function storedBefore(local: ForwardBatch, length: number): number {
  const { contextParallelSize, contextParallelRank, interleaveSize } = local.sizes;
  const round = contextParallelSize * interleaveSize;
  const rest = (length % round) - contextParallelRank * interleaveSize;
  return Math.floor(length / round) * interleaveSize + Math.min(Math.max(rest, 0), interleaveSize);
}

/** Throws ERR_SHAPE_CONTRACT unless the value found equals the contract's. */
export function equal(name: string, found: number | bigint, expected: number | bigint): void {
  if (found !== expected) fail(name, `is ${found}`, String(expected));
}

/** Throws ERR_SHAPE_CONTRACT about the entry `name`. */
export function fail(name: string, found: string, expected: string): never {
  throw new LockstepError('ERR_SHAPE_CONTRACT', `Shape contract: ${name} ${found}; expected ${expected}`, {
    tensor: name,
  });
}
