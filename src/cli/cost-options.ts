import { type Command, Option } from 'commander';
import { LockstepError } from '../errors.js';
import { type CostSource, GPUS, MODELS, parseCostModel } from '../workload/index.js';
import { integer } from './options.js';

/** What the options of `addCostOptions` hold. */
export interface CostFlags {
  readonly cost?: string;
  readonly costModel?: string;
  readonly tensorParallelSize?: number;
}

/** Options that say what a step of n tokens costs. `plan` and `simulate` share them. */
export function addCostOptions(command: Command): Command {
  const [gpus, models] = [GPUS, MODELS].map((names) => Object.keys(names).join(', '));
  return command
    .option('--cost <file>', 'CSV of measured times by num_tokens (default: a size costs its tokens)')
    .option('--cost-model <gpu:model>', `times by the built-in roofline instead; GPUs: ${gpus}; models: ${models}`)
    .addOption(
      new Option('--tensor-parallel-size <n>', 'rows of that table to take; GPUs of that roofline').argParser(integer),
    );
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
