import { LockstepError } from '../errors.js';
import { type CostSource, parseCostModel } from '../workload/index.js';

/** What the options of `addCostOptions` hold. */
export interface CostFlags {
  readonly cost?: string;
  readonly costModel?: string;
  readonly modelConfig?: string;
  readonly tensorParallelSize?: number;
}

/** Where costs come from; null where a size costs its tokens. Errors: ERR_CONFIG_INVALID. */
export function costSourceOf({ cost, costModel, modelConfig, tensorParallelSize }: CostFlags): CostSource | null {
  if (cost !== undefined && costModel !== undefined) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--cost and --cost-model are given, and a step has one cost; leave one of them out',
      { cost, costModel },
    );
  }
  if (modelConfig !== undefined) {
    if (costModel !== undefined && !costModel.includes(':')) {
      return { ...parseCostModel(`${costModel}:${asPath(modelConfig)}`), tensorParallelSize };
    }
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--model-config says the model of a roofline, and --cost-model the GPU alone; give --cost-model h100 beside it',
      { costModel, modelConfig },
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

/** A file or folder, so that it looks like one. */
function asPath(file: string): string {
  return /[/\\]|\.json$/i.test(file) ? file : `./${file}`;
}
