import type { ModelConfig } from '../checkpoint/index.js';
import { DEFAULT_LIMITS, type Limits } from '../config.js';

/** Bytes that one slot of a model's cache takes, keys and values of all layers. */
export function cacheSlotBytes({ layers, kvHeads, headDim }: ModelConfig): number {
  return layers * 2 * kvHeads * headDim * 4;
}

/**
 * Limits of a model: what is left out is the longest text that the model knows, at most the default, and as many blocks as `maxNumSeqs` texts of
 * that length need, at most the default.
 */
export function modelLimits({ maxPositions }: ModelConfig, given: Partial<Limits> = {}): Partial<Limits> {
  const maxModelLen = given.maxModelLen ?? Math.min(DEFAULT_LIMITS.maxModelLen, maxPositions);
  const blockSize = given.blockSize ?? DEFAULT_LIMITS.blockSize;
  const maxNumSeqs = given.maxNumSeqs ?? DEFAULT_LIMITS.maxNumSeqs;
  const needed = 1 + maxNumSeqs * Math.ceil(maxModelLen / blockSize);
  const numBlocks = given.numBlocks ?? Math.min(DEFAULT_LIMITS.numBlocks, needed);
  return { ...given, maxModelLen, blockSize, maxNumSeqs, numBlocks };
}
