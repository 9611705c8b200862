import { type Command, InvalidArgumentError, Option } from 'commander';
import { DEFAULT_LIMITS, type Limits } from '../config.js';
import { LADDER_NAMES, parseLadder, policyNames } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import { readPolicy } from '../formats/index.js';
import { type CapturePlan, queryLens } from '../keys/index.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';

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

/** What the options of `addLimitOptions` hold. */
export interface LimitFlags {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly numBlocks: number;
  readonly queryLen?: number;
}

/** What the options of `addPolicyOptions` hold. */
export interface PolicyFlags {
  readonly ubatches?: number;
  readonly ubatchThresholdDecode?: number;
  readonly ubatchThresholdPrefill?: number;
  readonly policy?: string;
}

/** What the options of `addPlannerOptions` hold. */
export interface PlannerFlags extends LimitFlags, PolicyFlags {
  readonly ladder: string;
  readonly plan?: string;
  readonly twins?: boolean;
}

/** Options that say what steps are planned with: limits, ladder and policy. `run`, `simulate` and `explain` share them. */
export function addPlannerOptions(command: Command): Command {
  addLimitOptions(command)
    .option(
      '--ladder <sizes>',
      `captured sizes in tokens (1,2,4,8) or a ladder's name (${LADDER_NAMES.join(', ')})`,
      'vllm',
    )
    .option('--plan <file>', "that plan's graphs instead of a ladder's, and its policy unless one is given")
    .option('--twins', "capture each size from the threshold on both plain and ubatched (default: the policy's choice)")
    .option('--no-twins', 'capture each size once: ubatched from the threshold on, plain below it');
  return addPolicyOptions(command);
}

/** Options that bound a rank's step and its cache. */
export function addLimitOptions(command: Command): Command {
  return command
    .addOption(limit('--max-num-seqs <n>', 'most requests of a rank in one step', 'maxNumSeqs'))
    .addOption(limit('--max-num-batched-tokens <n>', 'most tokens of a rank in one step', 'maxNumBatchedTokens'))
    .addOption(limit('--max-model-len <n>', 'longest request, prompt and output, in tokens', 'maxModelLen'))
    .addOption(limit('--block-size <n>', 'tokens of one KV block', 'blockSize'))
    .addOption(limit('--num-blocks <n>', 'KV blocks of a rank, the null block included', 'numBlocks'))
    .addOption(
      new Option(
        '--query-len <n>',
        `tokens of a decode: 1 + speculative tokens (default: ${DEFAULT_LIMITS.queryLen}; of a plan file, what its graphs have places for)`,
      ).argParser(integer),
    );
}

/** Options that choose a policy or a number of it. */
export function addPolicyOptions(command: Command): Command {
  return command
    .addOption(choice('--ubatches <n>', 'micro-batches a step may be cut into', 'ubatches'))
    .addOption(
      choice(
        '--ubatch-threshold-decode <n>',
        'least tokens with which a decoding rank wishes them',
        'ubatchThresholdDecode',
      ),
    )
    .addOption(
      choice('--ubatch-threshold-prefill <n>', 'the same with a prefill in the batch', 'ubatchThresholdPrefill'),
    )
    .option(
      '--policy <name|file>',
      `the policy: ${policyNames().join(', ')}, or a JSON file; flags override what it says (default: ${LOCKSTEP_POLICY.name})`,
    );
}

/** A limit, which has its default where the flag is not given. */
function limit(flag: string, says: string, name: keyof Limits): Option {
  return new Option(flag, says).argParser(integer).default(DEFAULT_LIMITS[name]);
}

/** A number of the policy. It is set only where the flag is given, for else the policy's own file has the say. */
function choice(flag: string, says: string, name: keyof Policy): Option {
  return new Option(
    flag,
    `${says} (default: the policy's; ${LOCKSTEP_POLICY[name]} in ${LOCKSTEP_POLICY.name})`,
  ).argParser(integer);
}

/**
 * The limits the flags say. Decodes have as many tokens as the graphs of `plan`, if there is one, have places for. Errors:
 * ERR_CONFIG_INVALID where the flags say another number.
 */
export function limitsOf(flags: LimitFlags, plan?: CapturePlan): Partial<Limits> {
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, numBlocks, queryLen } = flags;
  const captured = plan === undefined ? undefined : queryLens(plan).at(-1);
  if (queryLen !== undefined && captured !== undefined && queryLen !== captured) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `--query-len is ${queryLen}, and the plan's graphs are for decodes of ${captured}: give --query-len ${captured}, or leave it out`,
      { queryLen, captured },
    );
  }
  const tokens = queryLen ?? captured;
  const limits = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, numBlocks };
  return tokens === undefined ? limits : { ...limits, queryLen: tokens };
}

/**
 * The policy the flags say; without a name that of the plan file, else ours. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID for
 * a policy that cannot be had.
 */
export async function policyOf(flags: PolicyFlags, base: Policy = LOCKSTEP_POLICY): Promise<Partial<Policy>> {
  const { ubatches, ubatchThresholdDecode, ubatchThresholdPrefill } = flags;
  const given = Object.entries({ ubatches, ubatchThresholdDecode, ubatchThresholdPrefill }).filter(
    ([, value]) => value !== undefined,
  );
  const named = flags.policy === undefined ? base : await readPolicy(flags.policy);
  return { ...named, ...Object.fromEntries(given) };
}

/** Sizes of `--ladder` under the limits the flags say. Errors: ERR_CONFIG_INVALID. */
export function ladderOf(flags: PlannerFlags, limits: Limits): readonly number[] {
  return parseLadder(flags.ladder, limits);
}
