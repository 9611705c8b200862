import { openModel } from '../checkpoint/index.js';
import { checkArguments, Faults, withoutUndefined } from '../checks.js';
import { completeLimits, DEFAULT_LIMITS, type Limits, MAX_RANKS } from '../config.js';
import { cacheSlotBytes, checkModelLimits, modelLimits } from '../decoder/index.js';
import { type EngineName, engineCapture, profiledPolicy, profileLimits, profilePlan } from '../engines/index.js';
import { shown } from '../errors.js';
import { type CapturePlan, checkPlan } from '../keys/index.js';
import { leastBlocks, poolOf } from '../kv-pool.js';
import { layoutRegions } from '../memory/index.js';
import { DEVICE_PATTERN, DEVICE_WORDS } from '../names.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { type SchedulerLimits, schedulerLimits } from '../workload/index.js';
import { type CompleteRunOptions, DEFAULT_RUN_OPTIONS, type GivenOptions, type RunOptions } from './run-options.js';
import { completeRunSampling } from './run-sampling.js';

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeRunOptions(given: RunOptions): CompleteRunOptions {
  checkArguments('runWorkload', { options: [given, 'object'] });
  const options: GivenOptions = { ...DEFAULT_RUN_OPTIONS, ...withoutUndefined(given) };
  const faults = new Faults();
  const config = options.model === undefined ? null : faults.of(() => openModel(options.model as string).config);
  const pooled = faults.of(() => pooledLimits(given));
  const asked = { ...(options.engine && profileLimits(options.engine)), ...(pooled?.limits ?? {}) };
  const limits = faults.of(() => {
    const complete = completeLimits(config ? modelLimits(config, asked) : asked);
    return pooled?.pool ? { ...complete, numBlocks: leastBlocks(complete) } : complete;
  });
  const policy = faults.of(() => completePolicy(policyOf(given, limits) ?? options.policy));
  const own = faults.of(() => ownOptions(options, given));
  const scheduler = faults.of(() => schedulerOf(options, own?.ranks, limits));
  const planned = limits && policy && faults.of(() => planOf(options, given, limits, policy));
  if (limits) faults.of(() => checkOneGroup(limits));
  if (config && limits && own) faults.of(() => checkModelLimits(config, limits, own.tensorParallelSize));
  if (limits && own && !pooled?.pool)
    faults.of(() => checkCache(limits, own.deviceMemory, config ? cacheSlotBytes(config) / own.tensorParallelSize : 4));
  faults.throwIfAny('These options');
  const complete = { ...own, limits, pool: pooled?.pool, policy, ...planned, scheduler } as CompleteRunOptions;
  // Limits too large for a planner are reported here, once, and not by whichever rank notices first.
  const { ranks, tensorParallelSize: replicaSize, plan } = complete;
  layoutRegions({
    limits: complete.limits,
    plan,
    policy: complete.policy,
    rank: 0,
    ranks: ranks * replicaSize,
    replicaSize,
  });
  return complete;
}

/** The pool that `numBlocks: 'auto'` asks for, and the other limits. Errors: ERR_CONFIG_INVALID. */
function pooledLimits({ limits, gpuMemoryUtilization, model }: RunOptions): ReturnType<typeof poolOf> {
  const faults = new Faults();
  const isModel = model !== undefined;
  faults.check(
    isModel || gpuMemoryUtilization === undefined,
    'gpuMemoryUtilization is for a model with numBlocks auto, and there is no model: leave it out, or give model and numBlocks auto',
    'gpuMemoryUtilization',
    'model',
    'numBlocks',
  );
  const pooled = poolOf(limits, isModel ? gpuMemoryUtilization : undefined, faults);
  faults.check(
    pooled.pool === null || isModel,
    "numBlocks is auto, which is for a model's cache, and there is none: give model, or numBlocks a number",
    'numBlocks',
  );
  faults.throwIfAny('These options');
  return pooled;
}

interface PlannedGraphs {
  readonly plan: CapturePlan;
  readonly ladderEngine: EngineName | null;
  readonly ladderNotes: readonly string[];
}

/** The policy given, or the engine's, as the engine is run within these limits. */
function policyOf({ engine, policy }: RunOptions, limits: Partial<Limits> = {}): Partial<Policy> | undefined {
  if (engine === undefined) return policy;
  const { maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen } = limits;
  const profile = { ...engine, ...withoutUndefined({ maxNumSeqs, maxNumBatchedTokens, maxModelLen, queryLen }) };
  return policy === undefined ? engineCapture(profile).policy : profiledPolicy(policy, profile);
}

function planOf(options: GivenOptions, own: RunOptions, limits: Limits, policy: Policy): PlannedGraphs {
  const { ladder, twins, engine, plan: given } = options;
  const sizes = engine === undefined ? ladder : own.ladder;
  const made =
    given === undefined
      ? profilePlan({ ladder: sizes, limits, policy, twins }, engine)
      : { plan: given, engine: null, notes: [] };
  checkPlan(made.plan, limits, policy);
  return { plan: made.plan, ladderEngine: made.engine, ladderNotes: made.notes };
}

/** A run's scheduler gives out blocks of one pool. */
function checkOneGroup({ kvGroups = [] }: Limits): void {
  const faults = new Faults();
  faults.check(
    kvGroups.length <= 1,
    `kvGroups holds ${kvGroups.length} groups; a run's scheduler and KV cache have one: leave kvGroups out, and drive several with createRank()`,
  );
  faults.throwIfAny('These options');
}

/** A run without a model keeps one int32 a slot. */
function checkCache({ numBlocks, blockSize }: Limits, deviceMemory: number | null, slotBytes: number): void {
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
  options: GivenOptions,
  ranks = DEFAULT_RUN_OPTIONS.ranks,
  limits = DEFAULT_LIMITS,
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

/** The options of the run itself, checked. */
function ownOptions(
  options: GivenOptions,
  given: RunOptions,
): Omit<CompleteRunOptions, 'limits' | 'pool' | 'policy' | keyof PlannedGraphs | 'scheduler'> {
  const { ranks, tensorParallelSize, device, verify, timeoutMs, checkShapes, async } = options;
  const { deviceMemory = null, stepLog = null, captureLog = null, record = null, model = null } = options;
  const transport = options.transport ?? (ranks * tensorParallelSize === 1 ? 'solo' : 'threads');
  const faults = new Faults();
  faults.names('run options', given, Object.keys(DEFAULT_RUN_OPTIONS));
  if (faults.integer('ranks', ranks, 1, MAX_RANKS)) {
    faults.integer('tensorParallelSize', tensorParallelSize, 1, Math.floor(MAX_RANKS / ranks));
  }
  faults.check(
    typeof device === 'string' && DEVICE_PATTERN.test(device),
    `device is ${shown(device)}; it must be ${DEVICE_WORDS}`,
    'device',
  );
  faults.check(
    ['solo', 'threads', 'mpi'].includes(transport),
    `transport is ${transport}; it must be solo, threads or mpi`,
    'transport',
  );
  faults.check(
    transport !== 'solo' || ranks * tensorParallelSize === 1,
    `transport is solo, which is for one rank, and there are ${ranks * tensorParallelSize}; use threads`,
    'transport',
  );
  faults.check(['full', 'sampled'].includes(verify), `verify is ${verify}; it must be full or sampled`, 'verify');
  faults.integer('timeoutMs', timeoutMs, 1, 2 ** 31 - 1);
  if (deviceMemory !== null) faults.integer('deviceMemory', deviceMemory, 1, Number.MAX_SAFE_INTEGER);
  for (const [name, path] of Object.entries({ stepLog, captureLog, record, model })) {
    faults.check(path === null || typeof path === 'string', `${name} is ${shown(path)}; it must be a path`, name);
  }
  faults.check(typeof async === 'boolean', `async is ${shown(async)}; it must be true or false`, 'async');
  faults.check(
    async !== true || model !== null,
    'async plans the steps of a model ahead, and there is none; give model, or leave async out',
    'async',
  );
  faults.check(
    options.sampling === undefined || model !== null,
    'sampling is for the tokens of a model, and there is none; give model, or leave it out',
    'sampling',
    'model',
  );
  const sampling = completeRunSampling(options.sampling, faults);
  faults.throwIfAny('These options');
  return {
    ranks,
    tensorParallelSize,
    device,
    transport,
    verify,
    timeoutMs,
    deviceMemory,
    checkShapes,
    stepLog,
    captureLog,
    record,
    model,
    sampling,
    async,
  };
}
