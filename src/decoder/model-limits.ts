import type { ModelConfig } from '../checkpoint/index.js';
import { checkArguments, Faults } from '../checks.js';
import { blocksOf, DEFAULT_LIMITS, type Limits } from '../config.js';

/** Bytes that one slot of a model's cache takes, keys and values of all layers. */
export function cacheSlotBytes(config: ModelConfig): number {
  checkArguments('cacheSlotBytes', { config: [config, 'object', 'layers', 'kvHeads', 'headDim'] });
  const { layers, kvHeads, headDim } = config;
  return layers * 2 * kvHeads * headDim * 4;
}

/**
 * Limits of a model: what is left out is the longest text that the model knows, at most the default, and as many blocks as `maxNumSeqs` texts of
 * that length need, at most the default.
 */
export function modelLimits(config: Pick<ModelConfig, 'maxPositions'>, given: Partial<Limits> = {}): Partial<Limits> {
  checkArguments('modelLimits', { config: [config, 'object', 'maxPositions'], given: [given, 'object'] });
  const { maxPositions } = config;
  const { maxModelLen = Math.min(DEFAULT_LIMITS.maxModelLen, maxPositions) } = given;
  const { blockSize = DEFAULT_LIMITS.blockSize, maxNumSeqs = DEFAULT_LIMITS.maxNumSeqs } = given;
  const needed = blocksOf(maxNumSeqs, { maxModelLen, blockSize });
  // Of limits that cannot be nothing follows: they are refused themselves.
  const isNumber = Number.isInteger(needed) && needed > 1;
  const { numBlocks = isNumber ? Math.min(DEFAULT_LIMITS.numBlocks, needed) : DEFAULT_LIMITS.numBlocks } = given;
  return { ...given, maxModelLen, blockSize, maxNumSeqs, numBlocks };
}

/**
 * Whether a model can be computed within limits by replicas of so many ranks. Errors: ERR_CONFIG_INVALID naming every fault.
 */
export function checkModelLimits(config: ModelConfig, limits: Limits, tensorParallelSize: number): void {
  const size = new Faults();
  size.integer('tensorParallelSize', tensorParallelSize, 1, 1 << 10);
  size.throwIfAny('This model');
  checkArguments('checkModelLimits', { config: [config, 'object'], limits: [limits, 'object'] });
  const faults = new Faults();
  faults.check(
    limits.maxModelLen <= config.maxPositions,
    `maxModelLen is ${limits.maxModelLen}, and the model knows ${config.maxPositions} positions; lower it`,
    'maxModelLen',
  );
  faults.check(
    limits.contextParallelSize === 1,
    `contextParallelSize is ${limits.contextParallelSize}, and the decoder has each request's cache on one rank; leave it at 1`,
    'contextParallelSize',
  );
  for (const name of ['heads', 'kvHeads', 'hiddenSize', 'intermediateSize'] as const) {
    // Each expert is whole on its rank.
    if (name === 'intermediateSize' && config.experts > 0) continue;
    faults.check(
      config[name] % tensorParallelSize === 0,
      `tensorParallelSize is ${tensorParallelSize}, which does not divide the model's ${name}, ${config[name]}; choose a divisor of it`,
      'tensorParallelSize',
    );
  }
  faults.throwIfAny('This model');
}
