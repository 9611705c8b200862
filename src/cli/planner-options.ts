import type { Limits } from '../config.js';
import type { EngineProfile, LadderPlan } from '../engines/index.js';
import { LockstepError } from '../errors.js';
import type { PlanFile } from '../formats/index.js';
import { queryLens } from '../keys/index.js';
import { LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import type { RunOptions } from '../run/index.js';

/** What the options of `addLimitOptions` hold. */
export interface LimitFlags {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
  readonly maxModelLen: number;
  readonly blockSize: number;
  readonly numBlocks: number | 'auto';
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
  readonly engine?: string;
  readonly engineConfig?: string;
}

/** What the option of `addPoolOption` holds. */
export interface PoolFlags {
  readonly gpuMemoryUtilization?: number;
}

/** What of a plan file says the tokens of a decode. */
export type PlannedLengths = Pick<PlanFile, 'plan' | 'queryLen'>;

/**
 * The limits the flags say. Decodes have as many tokens as the plan of `file`, if there is one, was made for. Errors:
 * ERR_CONFIG_INVALID where the flags say another number, or ask for blocks of a cache that is not there.
 */
export function limitsOf(flags: LimitFlags, file?: PlannedLengths): Partial<Limits> {
  const { numBlocks } = flags;
  if (numBlocks === 'auto') {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      '--num-blocks auto is for serve, generate and run --model, which have a cache to fill memory with; give a number',
      { options: ['--num-blocks'] },
    );
  }
  return { ...unpooledLimitsOf(flags, file), numBlocks };
}

/** `limitsOf` for a model on ranks, whose blocks may be `auto`. */
export function pooledLimitsOf(flags: LimitFlags, file?: PlannedLengths): NonNullable<RunOptions['limits']> {
  return { ...unpooledLimitsOf(flags, file), numBlocks: flags.numBlocks };
}

/** All of the limits but the number of blocks. */
function unpooledLimitsOf(
  { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize, queryLen }: LimitFlags,
  file: PlannedLengths | undefined,
): Omit<Partial<Limits>, 'numBlocks'> {
  const lengths = file === undefined ? [] : queryLens(file.plan);
  const captured = file?.queryLen ?? lengths.at(-1);
  // Graphs of any step hold decodes of other lengths too.
  if (queryLen !== undefined && lengths.length > 0 && queryLen !== captured) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `--query-len is ${queryLen}, and the plan's graphs are for decodes of ${captured}: give --query-len ${captured}, or leave it out`,
      { queryLen, captured },
    );
  }
  const tokens = queryLen ?? captured;
  const limits = { maxNumSeqs, maxNumBatchedTokens, maxModelLen, blockSize };
  return tokens === undefined ? limits : { ...limits, queryLen: tokens };
}

/**
 * The policy the flags say; without a name that of the plan file, else `lockstep`. Errors: ERR_CONFIG_INVALID, ERR_INPUT_INVALID for
 * a policy that cannot be read.
 */
export async function policyOf(
  flags: PolicyFlags,
  base: Policy = LOCKSTEP_POLICY,
  signal?: AbortSignal,
): Promise<Partial<Policy>> {
  const { ubatches, ubatchThresholdDecode, ubatchThresholdPrefill } = flags;
  const given = Object.entries({ ubatches, ubatchThresholdDecode, ubatchThresholdPrefill }).filter(
    ([, value]) => value !== undefined,
  );
  const named =
    flags.policy === undefined
      ? base
      : await (await import('../formats/index.js')).readPolicy(flags.policy, { signal });
  return { ...named, ...Object.fromEntries(given) };
}

/** Graphs of the ladder that is given, or else of the engine's profile; with neither named of `--ladder`, under the limits and the policy that the flags say. Errors: ERR_CONFIG_INVALID. */
export async function ladderOf(
  flags: PlannerFlags,
  limits: Limits,
  policy: Policy,
  graphs: { readonly ladder: string | undefined; readonly engine?: EngineProfile | undefined } = {
    ladder: flags.ladder,
  },
): Promise<LadderPlan> {
  const { ladder, engine } = graphs;
  const { profilePlan } = await import('../engines/index.js');
  return profilePlan({ ladder, limits, policy, twins: flags.twins }, engine);
}
