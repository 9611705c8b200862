import { Faults } from '../../checks.js';

/** A size whose given cost was raised, so that costs never fall. */
export interface RaisedCost {
  /** The size, in tokens. */
  readonly size: number;
  /** The given cost. */
  readonly from: number;
  /** The cost of a smaller size, which it was raised to. */
  readonly to: number;
}

/** What a step of each size costs. */
export interface CostModel {
  /** Its name and source, in a few words. */
  readonly name: string;
  /** The unit of costs. Only ratios of them are ever reported. */
  readonly unit: 'tokens' | 'ms';
  /** f64[maxSize + 1] by size in tokens, entry 0 being 0. Never falling. */
  readonly costs: Float64Array;
  /** Sizes that were given a lower cost than a smaller size; empty for a computed model. */
  readonly raised: readonly RaisedCost[];
}

/** Largest size a cost model goes to. */
export const MAX_COST_SIZE: number = 1 << 20;

/** Cost as the number of tokens: what is minimised is padding. Errors: ERR_CONFIG_INVALID. */
export function tokenCosts(maxSize: number): CostModel {
  checkMaxSize(maxSize);
  return { name: 'tokens', unit: 'tokens', costs: Float64Array.from({ length: maxSize + 1 }, (_, n) => n), raised: [] };
}

/** Throws `ERR_CONFIG_INVALID` unless `maxSize` is in range. */
export function checkMaxSize(maxSize: number): void {
  const faults = new Faults();
  faults.integer('maxSize', maxSize, 1, MAX_COST_SIZE);
  faults.throwIfAny('These costs');
}
