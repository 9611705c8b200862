import { LockstepError } from '../errors.js';
import { type CostSource, parseCostModel } from '../workload/index.js';

/** What the options of `addCostOptions` hold. */
export interface CostFlags {
  readonly cost?: string;
  readonly costModel?: string;
  readonly tensorParallelSize?: number;
}

/** Where costs come from; null where a size costs its tokens. Errors: ERR_CONFIG_INVALID. */
export function costSourceOf({ cost, costModel, tensorParallelSize }: CostFlags): CostSource | null {
  if (cost !== undefined && costModel !== undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--cost and --cost-model are given, and a step has one cost; leave one of them out',
      { cost, costModel },
    );
  }
  if (cost !== undefined) return { file: cost, tensorParallelSize };
  if (costModel !== undefined) return { ...parseCostModel(costModel), tensorParallelSize };
  if (tensorParallelSize === undefined) return null;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    '--tensor-parallel-size says which costs to take, and none are given; give --cost too, or --cost-model, or leave it out',
    { tensorParallelSize },
  );
}
