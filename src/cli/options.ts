import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Limits } from '../config.js';
import { parseLadder } from '../engines/index.js';
import { LOCKSTEP_POLICY, type Policy } from '../planner/policy.js';
import { readPolicy } from '../runtime/plan-file.js';

/** An option's integer; anything else is a usage error that names the option. */
export function integer(text: string): number {
  if (!/^-?\d+$/.test(text)) throw new InvalidArgumentError('It must be an integer.');
  return Number(text);
}

/** An option's number. */
export function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('It must be a number.');
  return value;
}

/** What the options of `addPlannerOptions` hold. */
export interface PlannerFlags {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly ladder: string;
  readonly twins: boolean;
  readonly queryLen: number;
  readonly ubatches?: number;
  readonly ubatchThresholdDecode?: number;
  readonly ubatchThresholdPrefill?: number;
  readonly policy: string;
}

/** Options that say what steps are planned with: limits, ladder and policy. `run` and `explain` share them. */
export function addPlannerOptions(command: Command): Command {
  return command
    .addOption(new Option('--max-num-seqs <n>', 'most requests of a rank in one step').argParser(integer).default(256))
    .addOption(
      new Option('--max-num-batched-tokens <n>', 'most tokens of a rank in one step').argParser(integer).default(8192),
    )
    .addOption(
      new Option('--max-model-len <n>', 'longest request, prompt and output, in tokens')
        .argParser(integer)
        .default(131072),
    )
    .addOption(new Option('--block-size <n>', 'tokens of one KV block').argParser(integer).default(16))
    .addOption(
      new Option('--num-blocks <n>', 'KV blocks of a rank, the null block included').argParser(integer).default(131072),
    )
    .option('--ladder <sizes>', "captured sizes in tokens (1,2,4,8) or a ladder's name (vllm)", 'vllm')
    .option('--no-twins', 'capture each size once: ubatched from the threshold on, plain below it')
    .addOption(
      new Option('--query-len <n>', 'tokens of a decode: 1 + speculative tokens').argParser(integer).default(1),
    )
    .addOption(new Option('--ubatches <n>', 'micro-batches a step may be cut into (default: 1)').argParser(integer))
    .addOption(
      new Option(
        '--ubatch-threshold-decode <n>',
        'least tokens with which a decoding rank wishes them (default: 32)',
      ).argParser(integer),
    )
    .addOption(
      new Option('--ubatch-threshold-prefill <n>', 'the same with a prefill in the batch (default: 512)').argParser(
        integer,
      ),
    )
    .option('--policy <name|file>', 'the policy: lockstep, or a JSON file; flags override what it says', 'lockstep');
}

/** The limits the flags say. */
export function limitsOf(flags: PlannerFlags): Partial<Limits> {
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, numBlocks, queryLen } = flags;
  return { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, numBlocks, queryLen };
}

/** The policy the flags say. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID for a policy that cannot be had. */
export async function policyOf(flags: PlannerFlags, base?: Policy): Promise<Partial<Policy>> {
  const { ubatches, ubatchThresholdDecode, ubatchThresholdPrefill } = flags;
  const given = Object.entries({ ubatches, ubatchThresholdDecode, ubatchThresholdPrefill }).filter(
    ([, value]) => value !== undefined,
  );
  const named = base !== undefined && flags.policy === LOCKSTEP_POLICY.name ? base : await readPolicy(flags.policy);
  return { ...named, ...Object.fromEntries(given) };
}

/** Sizes of `--ladder`. Errors: ERR_CONFIG_INVALID. */
export function ladderOf(flags: PlannerFlags): readonly number[] {
  return parseLadder(flags.ladder, flags);
}
