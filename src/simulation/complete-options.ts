import { Faults, withoutUndefined } from '../checks.js';
import { completeLimits, DEFAULT_LIMITS, type Limits, MAX_RANKS } from '../config.js';
import { engineCapture, profiledPolicy, profileLimits, profilePlan } from '../engines/index.js';
import { checkPlan } from '../keys/index.js';
import { limitsWithoutPool } from '../kv-pool.js';
import { layoutRegions } from '../memory/index.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { type SchedulerLimits, schedulerLimits } from '../workload/index.js';
import {
  type CompleteSimulateOptions,
  DEFAULT_SIMULATE_OPTIONS,
  type GivenSimulateOptions,
  type SimulateOptions,
} from './simulate-options.js';

const NAMES: readonly (keyof SimulateOptions)[] = [
  'ranks',
  'limits',
  'policy',
  'plan',
  'ladder',
  'engine',
  'twins',
  'acceptRate',
  'seed',
  'speed',
  'stepTime',
];
/** Bytes of a slot of a cache without a model, which holds the id of a token. */
const TOKEN_BYTES = 4;

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeSimulateOptions(given: SimulateOptions): CompleteSimulateOptions {
  const named = new Faults();
  named.names('simulate options', given, NAMES);
  named.throwIfAny('These options');
  const faults = new Faults();
  const asked = faults.of(() => limitsWithoutPool(given.limits));
  return completeSteps(given, faults, {
    asked,
    complete: completeLimits,
    own: () => ({ ranks: checkedRanks(given.ranks) }),
    checkLimits: (limits) => faults.of(() => checkCache(limits)),
  });
}

/** What takes the steps: ranks, and with `tensorParallelSize` so many processes each. */
export interface StepRanks {
  readonly ranks: number;
  readonly tensorParallelSize?: number;
}

/** What a run checks otherwise than a simulation, and where its own faults stand among those of the steps. */
export interface StepChecks<Own extends StepRanks> {
  /** The limits that are given; undefined where there are none, or faults alone. */
  readonly asked: Partial<Limits> | undefined;
  /** Completes those and the engine's. Errors: ERR_CONFIG_INVALID. */
  readonly complete: (asked: Partial<Limits>) => Limits;
  /** The ranks, and all options whose faults stand with theirs. Errors: ERR_CONFIG_INVALID. */
  readonly own: () => Own;
  /** Notes what complete limits do not fit. */
  readonly checkLimits: (limits: Limits, own: Own) => void;
}

/**
 * Completes the options that decide which steps are taken. `faults` has those that were found before. Errors: ERR_CONFIG_INVALID listing all of
 * them at once, ERR_PLAN_CAPACITY.
 */
export function completeSteps<Own extends StepRanks>(
  given: SimulateOptions,
  faults: Faults,
  { asked, complete, own, checkLimits }: StepChecks<Own>,
): Own & CompleteSimulateOptions {
  const options: GivenSimulateOptions = { ...DEFAULT_SIMULATE_OPTIONS, ...withoutUndefined(given) };
  const { engine } = options;
  const wanted = { ...(engine && profileLimits(engine)), ...asked };
  const limits = faults.of(() => complete(wanted));
  const policy = faults.of(() => completePolicy(policyOf(given, limits) ?? options.policy));
  const checked = faults.of(own);
  const scheduler = faults.of(() => schedulerOf(options, checked?.ranks, limits));
  const planned = limits && policy && faults.of(() => planOf(options, given, limits, policy));
  if (limits) faults.of(() => checkOneGroup(limits));
  if (limits && checked) checkLimits(limits, checked);
  faults.throwIfAny('These options');
  const steps = { ...checked, limits, policy, ...planned, scheduler } as Own & CompleteSimulateOptions;
  // Limits too large for a planner are reported here, once, and not by whichever rank notices first.
  const { plan, ranks, tensorParallelSize: replicaSize = 1 } = steps;
  layoutRegions({ limits: steps.limits, plan, policy: steps.policy, rank: 0, ranks: ranks * replicaSize, replicaSize });
  return steps;
}

/** The number of ranks. Errors: ERR_CONFIG_INVALID. */
function checkedRanks(ranks = DEFAULT_SIMULATE_OPTIONS.ranks): number {
  const faults = new Faults();
  faults.integer('ranks', ranks, 1, MAX_RANKS);
  faults.throwIfAny('These options');
  return ranks;
}

/** The policy given, or the engine's, as the engine is run within these limits. */
function policyOf({ engine, policy }: SimulateOptions, limits: Partial<Limits> = {}): Partial<Policy> | undefined {
  if (engine === undefined) return policy;
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen } = limits;
  const profile = { ...engine, ...withoutUndefined({ maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen }) };
  return policy === undefined ? engineCapture(profile).policy : profiledPolicy(policy, profile);
}

function planOf(
  options: GivenSimulateOptions,
  own: SimulateOptions,
  limits: Limits,
  policy: Policy,
): Pick<CompleteSimulateOptions, 'plan' | 'ladderEngine' | 'ladderNotes'> {
  const { ladder, twins, engine, plan: given } = options;
  const sizes = engine === undefined ? ladder : own.ladder;
  const made =
    given === undefined
      ? profilePlan({ ladder: sizes, limits, policy, twins }, engine)
      : { plan: given, engine: null, notes: [] };
  checkPlan(made.plan, limits, policy);
  return { plan: made.plan, ladderEngine: made.engine, ladderNotes: made.notes };
}

/** The scheduler gives out blocks of one pool. */
function checkOneGroup({ kvGroups = [] }: Limits): void {
  const faults = new Faults();
  faults.check(
    kvGroups.length <= 1,
    `kvGroups holds ${kvGroups.length} groups; a run's scheduler and KV cache have one: leave kvGroups out, and drive several with createRank()`,
  );
  faults.throwIfAny('These options');
}

/** Whether a rank's device has room for its cache. Without a model that keeps one int32 a slot. Errors: ERR_CONFIG_INVALID. */
export function checkCache(
  { numBlocks, blockSize }: Limits,
  deviceMemory: number | null = null,
  slotBytes: number = TOKEN_BYTES,
): void {
  const bytes = numBlocks * blockSize * slotBytes;
  const most = deviceMemory ?? Number.MAX_SAFE_INTEGER;
  const faults = new Faults();
  faults.check(
    bytes <= most,
    `a KV cache of numBlocks ${numBlocks} * blockSize ${blockSize} takes ${bytes} bytes, and a rank's device has ${most}`,
  );
  faults.throwIfAny('These options');
}

/** Faults of ranks and limits are reported as such, and not again as the scheduler's. */
function schedulerOf(
  options: GivenSimulateOptions,
  ranks: number = DEFAULT_SIMULATE_OPTIONS.ranks,
  limits: Limits = DEFAULT_LIMITS,
): SchedulerLimits {
  const { acceptRate, seed, speed, stepTime } = options;
  const { maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen } = limits;
  return schedulerLimits({
    ranks,
    maxNumSeqs,
    maxNumBatchedTokens,
    blockSize,
    numBlocks,
    maxModelLen,
    queryLen,
    draftSchedule: options.engine?.draftSchedule ?? null,
    acceptRate,
    seed,
    speed,
    stepTime,
  });
}
