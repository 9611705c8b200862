import { openModel } from '../checkpoint/index.js';
import { checkArguments, Faults, withoutUndefined } from '../checks.js';
import { completeLimits, DEFAULT_LIMITS, type Limits } from '../config.js';
import { cacheSlotBytes, checkModelLimits, modelLimits } from '../decoder/index.js';
import type { DeviceName } from '../device/index.js';
import {
  type EngineName,
  type EngineProfile,
  engineCapture,
  profiledPolicy,
  profileLimits,
  profilePlan,
} from '../engines/index.js';
import { LockstepError, shown } from '../errors.js';
import { type CapturePlan, checkPlan } from '../keys/index.js';
import { layoutRegions } from '../memory/index.js';
import { DEFAULT_TIMEOUT_MS, DEVICE_PATTERN, DEVICE_WORDS, WORKLOAD_DEFAULTS } from '../names.js';
import { completePolicy, LOCKSTEP_POLICY, type Policy } from '../policy/index.js';
import { MAX_RANKS, type Transport } from '../ranks/index.js';
import { type KvPool, leastBlocks, poolOf } from '../runtime/index.js';
import { type SchedulerLimits, schedulerLimits } from '../workload/index.js';
import type { VerifyMode } from './kv-verifier.js';

/** Options of `runWorkload`; those left out take their defaults. */
export interface RunOptions {
  /** Data-parallel ranks, which schedule each on its own. Default 2; with `mpi` as many as the job has processes for. */
  readonly ranks?: number;
  /**
   * Processes of each rank: one replica, whose processes compute the same batch. Each is a worker thread with its own planner
   * and device context. Default 1.
   */
  readonly tensorParallelSize?: number;
  /** Of a model, `numBlocks: 'auto'` fills what the devices have left once graphs are captured. */
  readonly limits?: Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' };
  /**
   * With `numBlocks: 'auto'`: the share of each card's memory that may be in use once the KV cache is there; of the host, of what it has
   * left. Above 0, 1 at most. Default 0.9.
   */
  readonly gpuMemoryUtilization?: number;
  /** Choices behind the decisions. Those left out are the engine's, or Lockstep's own. */
  readonly policy?: Partial<Policy>;
  /** Graphs to capture; else those of `ladder`. */
  readonly plan?: CapturePlan;
  /** Captured sizes in tokens, or a ladder as `parseLadder` reads it (`1,2,4,8`, or a name). Default none: every step runs eager. */
  readonly ladder?: readonly number[] | string;
  /**
   * An engine as it is run: its limits, its policy and its graphs, where `limits`, `policy`, `ladder` and `plan` say nothing else. Default
   * none.
   */
  readonly engine?: EngineProfile;
  /** Capture sizes from the ubatch threshold on both plain and ubatched. Default: as the policy says. */
  readonly twins?: boolean;
  /** Chance that a draft is accepted when all before it were. Default 0.7. */
  readonly acceptRate?: number;
  /** Seed of the drafts that are accepted, and of the requests that `verify: 'sampled'` reads. Default 0. */
  readonly seed?: number;
  /** Arrival times are divided by it. Default 1. */
  readonly speed?: number;
  /** [a, b, c] of the simulated step time a + b * tokens + c * kvTokens, in ms. Default [8, 0.096, 0]. */
  readonly stepTime?: readonly [number, number, number];
  /** The device of every rank, as `openDevice` takes it. Default 'auto'. */
  readonly device?: 'auto' | DeviceName;
  /**
   * `solo` for one process, `threads` for more, `mpi` for a process that an MPI launcher started, beside its like. Default: `solo`
   * or `threads`, whichever fits.
   */
  readonly transport?: Transport;
  /** How much of the KV cache is read back and compared: `full`, every scheduled request; `sampled`, a seeded eighth. Default 'full'. */
  readonly verify?: VerifyMode;
  /** Longest wait for a peer or the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** Bytes each rank's device may use. Default: no limit of our own. */
  readonly deviceMemory?: number;
  /** Check every tensor of every step against its decision. Default false. */
  readonly checkShapes?: boolean;
  /** JSON Lines file for every step: `{schemaVersion, step, rows[], decision}`, see `StepLogLine`. Default none. */
  readonly stepLog?: string;
  /** JSON Lines file for every captured key: `{key, reservedBytes, allocatedBytes, seconds}` of rank 0. Default none. */
  readonly captureLog?: string;
  /** Folder for the recordings of all ranks, `rank-N.rec` each: their last 1024 steps, also of a process that is killed. Default none. */
  readonly record?: string;
  /**
   * A model to compute: a folder in Hugging Face's layout, `random:dense` or `random:moe`. Its tokens are compared with those of one rank that
   * runs eager. Limits that are left out are the model's, and the blocks that `maxNumSeqs` requests of them need. Default none: the
   * cache holds ids of tokens.
   */
  readonly model?: string;
  /**
   * Of a model: plan, vote and submit each step while the one before runs. Its tokens stay on the device and fill the next inputs. Default
   * false.
   */
  readonly async?: boolean;
}

/** Options that follow from the others, or mean no limit, when left out. */
type Derived =
  | 'engine'
  | 'plan'
  | 'twins'
  | 'transport'
  | 'deviceMemory'
  | 'gpuMemoryUtilization'
  | 'stepLog'
  | 'captureLog'
  | 'record'
  | 'model';

/** The default of every option. */
export const DEFAULT_RUN_OPTIONS: Required<Omit<RunOptions, Derived>> & Readonly<Record<Derived, undefined>> =
  Object.freeze({
    ranks: WORKLOAD_DEFAULTS.ranks,
    tensorParallelSize: WORKLOAD_DEFAULTS.tensorParallelSize,
    limits: DEFAULT_LIMITS,
    policy: LOCKSTEP_POLICY,
    plan: undefined,
    engine: undefined,
    ladder: Object.freeze([]),
    twins: undefined,
    acceptRate: WORKLOAD_DEFAULTS.acceptRate,
    seed: WORKLOAD_DEFAULTS.seed,
    speed: WORKLOAD_DEFAULTS.speed,
    stepTime: WORKLOAD_DEFAULTS.stepTime,
    device: 'auto',
    transport: undefined,
    verify: 'full',
    timeoutMs: DEFAULT_TIMEOUT_MS,
    deviceMemory: undefined,
    gpuMemoryUtilization: undefined,
    checkShapes: false,
    stepLog: undefined,
    captureLog: undefined,
    record: undefined,
    model: undefined,
    async: false,
  });

/** Options with every default filled in and every number checked: plain data that crosses to the workers. */
export interface CompleteRunOptions {
  /** Data-parallel ranks. */
  readonly ranks: number;
  /** Processes of each rank. */
  readonly tensorParallelSize: number;
  /** With `pool`, the number of blocks is the least that can be, until the ranks agree on theirs; the scheduler's as well. */
  readonly limits: Limits;
  /** How the blocks are counted with `numBlocks: 'auto'`; null where their number is given. */
  readonly pool: KvPool | null;
  /** The policy that decides. */
  readonly policy: Policy;
  /** The graphs to capture. */
  readonly plan: CapturePlan;
  /** The engine in whose rounding the graphs of a ladder were made; null: Lockstep's own, or a plan. */
  readonly ladderEngine: EngineName | null;
  /** What became of sizes of the ladder that are not captured as they were given. */
  readonly ladderNotes: readonly string[];
  /** Limits of the simulated scheduler. */
  readonly scheduler: SchedulerLimits;
  /** The device of every rank. */
  readonly device: 'auto' | DeviceName;
  /** How votes cross the ranks. */
  readonly transport: Transport;
  /** How much is read back and compared. */
  readonly verify: VerifyMode;
  /** Longest wait for a peer or the device, in ms. */
  readonly timeoutMs: number;
  /** Bytes that each rank's device may use; null: no limit of our own. */
  readonly deviceMemory: number | null;
  /** Whether every tensor of every step is checked. */
  readonly checkShapes: boolean;
  /** File for every step; null: none. */
  readonly stepLog: string | null;
  /** File for every captured key; null: none. */
  readonly captureLog: string | null;
  /** Folder for the recordings of all ranks; null: none. */
  readonly record: string | null;
  /** The model to compute; null: the cache holds ids of tokens. */
  readonly model: string | null;
  /** Whether each step is planned while the one before runs. */
  readonly async: boolean;
}

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeRunOptions(given: RunOptions): CompleteRunOptions {
  checkArguments('runWorkload', { options: [given, 'object'] });
  const options: GivenOptions = { ...DEFAULT_RUN_OPTIONS, ...withoutUndefined(given) };
  const faults: string[] = [];
  const named = new Set<string>();
  const collect = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof LockstepError && error.code === 'ERR_CONFIG_INVALID')) throw error;
      faults.push(...((error.details.faults as string[] | undefined) ?? [error.message]));
      for (const option of (error.details.options as string[] | undefined) ?? []) named.add(option);
      return undefined;
    }
  };
  const config = options.model === undefined ? null : collect(() => openModel(options.model as string).config);
  const pooled = collect(() => pooledLimits(given));
  const asked = { ...(options.engine && profileLimits(options.engine)), ...(pooled?.limits ?? {}) };
  const limits = collect(() => {
    const complete = completeLimits(config ? modelLimits(config, asked) : asked);
    return pooled?.pool ? { ...complete, numBlocks: leastBlocks(complete) } : complete;
  });
  const policy = collect(() => completePolicy(policyOf(given, limits) ?? options.policy));
  const own = collect(() => ownOptions(options, given));
  const scheduler = collect(() => schedulerOf(options, own?.ranks, limits));
  const planned = limits && policy && collect(() => planOf(options, given, limits, policy));
  if (limits) collect(() => checkOneGroup(limits));
  if (config && limits && own) collect(() => checkModelLimits(config, limits, own.tensorParallelSize));
  if (limits && own && !pooled?.pool)
    collect(() => checkCache(limits, own.deviceMemory, config ? cacheSlotBytes(config) / own.tensorParallelSize : 4));
  if (faults.length > 0 || !pooled || !limits || !policy || !own || !scheduler || !planned) {
    const lines = faults.map((fault) => `  - ${fault}`).join('\n');
    throw new LockstepError('ERR_CONFIG_INVALID', `These options cannot work:\n${lines}`, {
      faults,
      options: [...named],
    });
  }
  // Limits too large for a planner are reported here, once, and not by whichever rank notices first.
  const processes = own.ranks * own.tensorParallelSize;
  layoutRegions({ limits, plan: planned.plan, policy, rank: 0, ranks: processes, replicaSize: own.tensorParallelSize });
  return { ...own, limits, pool: pooled.pool, policy, ...planned, scheduler };
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

type GivenOptions = Required<Omit<RunOptions, Derived>> & Pick<RunOptions, Derived>;

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
    async,
  };
}
