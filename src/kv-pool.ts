import { Faults, hasFields } from './checks.js';
import { blocksOf, type Limits } from './config.js';
import { shown } from './errors.js';
import { DEFAULT_GPU_MEMORY_UTILIZATION } from './names.js';

/** How a KV pool is sized by the memory that its device has left. */
export interface KvPool {
  /** Share of the device's memory that may be in use, above 0, 1 at most. */
  readonly utilization: number;
}

/** Limits as they are given where blocks may be `'auto'`. */
type GivenLimits = Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' | undefined };

/** The pool that given limits ask for, null where they say a number or nothing, and the other limits. Notes what is wrong. */
export function poolOf(
  given: GivenLimits | undefined,
  utilization: number | undefined,
  faults: Faults,
): { readonly pool: KvPool | null; readonly limits: Partial<Limits> | undefined } {
  faults.check(given === undefined || hasFields(given), `limits is ${shown(given)}; it must be an object`, 'limits');
  const isAuto = given?.numBlocks === 'auto';
  if (utilization !== undefined) {
    const isShare = typeof utilization === 'number' && utilization > 0 && utilization <= 1;
    const remedy = 'it must be a number above 0, 1 at most';
    faults.check(isShare, `gpuMemoryUtilization is ${shown(utilization)}; ${remedy}`, 'gpuMemoryUtilization');
    faults.check(
      !isShare || isAuto,
      'gpuMemoryUtilization is given, and numBlocks is not auto, which it is for: leave it out, or set numBlocks to auto',
      'gpuMemoryUtilization',
      'numBlocks',
    );
  }
  if (!isAuto) return { pool: null, limits: given as Partial<Limits> | undefined };
  const { numBlocks: _auto, ...limits } = given;
  return { pool: { utilization: utilization ?? DEFAULT_GPU_MEMORY_UTILIZATION }, limits };
}

/** The limits given where there is no model, so that blocks are a number. Errors: ERR_CONFIG_INVALID. */
export function limitsWithoutPool(given: GivenLimits | undefined): Partial<Limits> | undefined {
  const faults = new Faults();
  const { pool, limits } = poolOf(given, undefined, faults);
  faults.check(
    pool === null,
    "numBlocks is auto, which is for a model's cache, and there is none: give model, or numBlocks a number",
    'numBlocks',
  );
  faults.throwIfAny('These limits');
  return limits;
}

/** Blocks of a pool that holds one request of `maxModelLen` tokens, the null block included. */
export function leastBlocks(limits: Pick<Limits, 'maxModelLen' | 'blockSize'>): number {
  return blocksOf(1, limits);
}

/** Blocks that the requests of a step can hold at most, the null block included, as far as ids of blocks reach. */
export function mostBlocks(
  limits: Pick<Limits, 'maxModelLen' | 'blockSize' | 'kernelBlockSize' | 'maxNumSeqs'>,
): number {
  const { blockSize, kernelBlockSize, maxNumSeqs } = limits;
  const ids = Math.floor((2 ** 31 - 1) / (blockSize / kernelBlockSize));
  return Math.min(blocksOf(maxNumSeqs, limits), ids);
}
