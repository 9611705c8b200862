import type { TextTokenizer } from '../checkpoint/index.js';
import { checkArguments, Faults, withoutUndefined } from '../checks.js';
import { blocksOf, completeLimits, type Limits, MAX_RANKS } from '../config.js';
import { checkModelLimits, modelLimits } from '../decoder/index.js';
import type { DeviceName } from '../device/index.js';
import { parseLadder } from '../engines/index.js';
import { shown } from '../errors.js';
import { type CapturePlan, checkPlan, decodePlan } from '../keys/index.js';
import { type KvPool, leastBlocks, poolOf } from '../kv-pool.js';
import { layoutRegions } from '../memory/index.js';
import { DEFAULT_TIMEOUT_MS, DEVICE_PATTERN, DEVICE_WORDS } from '../names.js';
import { completePolicy, type Policy } from '../policy/index.js';
import { jobRanks } from '../ranks/index.js';
import { type CustomModel, type ModelFacts, modelFacts } from './model-source.js';
import type { ServiceTransport } from './rank-group.js';
import type { RankSetup } from './rank-setup.js';

/** Options of `createService`. */
export interface ServiceOptions {
  /** A folder with a model in Hugging Face's layout, `random:dense` or `random:moe` with options as in `random:dense,seed=3`, or a module of your own. */
  readonly model: string | CustomModel;
  /** Data-parallel ranks, each a thread or process that schedules its own requests. Default 1. */
  readonly ranks?: number;
  /** Threads or processes of each rank, which compute its batch together. Default 1. */
  readonly tensorParallelSize?: number;
  /**
   * `mpi`: each process of an MPI job is one process of a rank. The first makes the service; the others call `serveMpiRank` with the same
   * options. `ranks` is then what the job says, and `restarts` 0. Default `threads`.
   */
  readonly transport?: ServiceTransport;
  /** Where kernels run; `auto` takes a GPU where there is one. Default `auto`. */
  readonly device?: 'auto' | DeviceName;
  /** Bytes each process may use on its device. Default: no limit of our own. */
  readonly deviceMemory?: number;
  /**
   * What bounds a rank. `maxModelLen` is at most what the model knows, which is its default; `numBlocks` holds eight such requests
   * by default, and with `'auto'` fills what the devices have left once graphs are captured. With a `queryLen` above 1, so many tokens less
   * one are drafted in each step, from the request's own text.
   */
  readonly limits?: Partial<Omit<Limits, 'numBlocks'>> & { readonly numBlocks?: number | 'auto' };
  /**
   * With `numBlocks: 'auto'`: the share of each card's memory that may be in use once the KV cache is there, whoever uses it; of the host, of
   * what it has left. Above 0, 1 at most. Default 0.9. Source: vLLM's option of this name.
   */
  readonly gpuMemoryUtilization?: number;
  /** The choices of the rules. Default: Lockstep's own. */
  readonly policy?: Partial<Policy>;
  /** Graphs to capture; else those of `ladder`. */
  readonly plan?: CapturePlan;
  /** Captured sizes in tokens, or a ladder's name. Default none: every step runs eager. */
  readonly ladder?: readonly number[] | string;
  /** Turns text into tokens and back. Default: the model's own; null for none, and then prompts are token ids. */
  readonly tokenizer?: TextTokenizer | null;
  /** Requests that may wait for a place on a rank; more are refused with `ERR_OVERLOADED`. Default 1024. */
  readonly maxQueue?: number;
  /** Tokens that a reader may leave unread before its request gives up its place until it reads on. Default 1024. */
  readonly maxUnread?: number;
  /** How many times the ranks are started again when one is lost. Default 3. */
  readonly restarts?: number;
  /** Longest wait for a peer or the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /**
   * Plan, vote and submit each step while the one before runs. The tokens are the same; a stop token is heard one step late. It takes a
   * forward with `ahead`, as the decoder has. Default false.
   */
  readonly async?: boolean;
}

/** Those options with every default. */
export interface CompleteServiceOptions {
  /** What is known of the model before its weights are read. */
  readonly model: ModelFacts;
  /** Data-parallel ranks, of `setup.tensorParallelSize` threads or processes each. */
  readonly ranks: number;
  readonly transport: ServiceTransport;
  readonly maxQueue: number;
  readonly maxUnread: number;
  readonly restarts: number;
  /** What every thread or process of a rank gets at its start. */
  readonly setup: Omit<RankSetup, 'order'>;
}

const NAMES: readonly (keyof ServiceOptions)[] = [
  'model',
  'ranks',
  'tensorParallelSize',
  'transport',
  'device',
  'deviceMemory',
  'limits',
  'gpuMemoryUtilization',
  'policy',
  'plan',
  'ladder',
  'tokenizer',
  'maxQueue',
  'maxUnread',
  'restarts',
  'timeoutMs',
  'async',
];

/** Longest requests that a pool of the default size holds. */
const POOL_REQUESTS = 8;
const MAX_COUNT = 2 ** 31 - 1;

/** `call` is the one that was given the options. Errors: `ERR_CONFIG_INVALID` with every fault, `ERR_PLAN_CAPACITY`, and those of the model's files. */
export async function completeServiceOptions(
  given: ServiceOptions,
  call: 'createService' | 'serveMpiRank',
): Promise<CompleteServiceOptions> {
  checkArguments(call, { options: [given, 'object'] });
  const { tensorParallelSize = 1, transport = 'threads', device = 'auto', deviceMemory = null } = given;
  const isJob = transport === 'mpi';
  const { maxQueue = 1024, maxUnread = 1024, restarts = isJob ? 0 : 3, timeoutMs = DEFAULT_TIMEOUT_MS } = given;
  const { async = false } = given;
  const faults = new Faults();
  faults.names('service options', given, NAMES);
  const isModel = (typeof given.model === 'object' && given.model !== null) || typeof given.model === 'string';
  faults.check(isModel, `model is ${shown(given.model)}; it must be a folder, a name, or { entry }`, 'model');
  const { ranks: asked = isJob ? undefined : 1 } = given;
  if (asked === undefined) faults.integer('tensorParallelSize', tensorParallelSize, 1, MAX_RANKS);
  else if (faults.integer('ranks', asked, 1, MAX_RANKS)) {
    faults.integer('tensorParallelSize', tensorParallelSize, 1, Math.floor(MAX_RANKS / asked));
  }
  faults.check(
    isJob || transport === 'threads',
    `transport is ${shown(transport)}; it must be threads or mpi`,
    'transport',
  );
  faults.check(
    !isJob || restarts === 0,
    `restarts is ${shown(restarts)}, and processes of an MPI job cannot be started again: leave it out, and start the job again`,
    'restarts',
  );
  faults.check(
    typeof device === 'string' && DEVICE_PATTERN.test(device),
    `device is ${shown(device)}; it must be ${DEVICE_WORDS}`,
    'device',
  );
  const { tokenizer = null } = given;
  faults.check(
    tokenizer === null || isTokenizer(tokenizer),
    `tokenizer is ${shown(tokenizer)}; it must have encode(), decode() and stream(), or be null`,
    'tokenizer',
  );
  if (deviceMemory !== null) faults.integer('deviceMemory', deviceMemory, 1, Number.MAX_SAFE_INTEGER);
  faults.integer('maxQueue', maxQueue, 0, MAX_COUNT);
  faults.integer('maxUnread', maxUnread, 1, MAX_COUNT);
  faults.integer('restarts', restarts, 0, MAX_COUNT);
  faults.integer('timeoutMs', timeoutMs, 1, MAX_COUNT);
  faults.check(typeof async === 'boolean', `async is ${shown(async)}; it must be true or false`, 'async');
  const { pool, limits: own } = poolOf(given.limits, given.gpuMemoryUtilization, faults);
  faults.throwIfAny('These service options');
  const ranks = isJob ? jobRanks({ ranks: asked, tensorParallelSize }) : (asked as number);
  const model = await modelFacts(given.model, tensorParallelSize);
  const limits = serviceLimits(own, model, tensorParallelSize, pool);
  const policy = completePolicy(given.policy);
  const { ladder = [] } = given;
  const sizes = typeof ladder === 'string' ? parseLadder(ladder, limits) : ladder;
  const plan = given.plan ?? decodePlan({ sizes, limits, policy });
  checkPlan(plan, limits, policy);
  // Limits too large for a planner are reported here, once, and not by whichever rank notices first.
  layoutRegions({
    limits,
    plan,
    policy,
    rank: 0,
    ranks: ranks * tensorParallelSize,
    replicaSize: tensorParallelSize,
  });
  const setup = {
    model: model.source,
    limits,
    pool,
    policy,
    plan,
    device,
    deviceMemory,
    tensorParallelSize,
    timeoutMs,
    async,
  };
  return { model, ranks, transport, maxQueue, maxUnread, restarts, setup };
}

function isTokenizer(tokenizer: TextTokenizer): boolean {
  return (['encode', 'decode', 'stream'] as const).every((name) => typeof tokenizer[name] === 'function');
}

/** With `pool`, the number of blocks is the least that can be, until the ranks agree on theirs. */
function serviceLimits(
  given: Partial<Limits> | undefined,
  model: ModelFacts,
  tensorParallelSize: number,
  pool: KvPool | null,
): Limits {
  const own = withoutUndefined(given ?? {});
  const faults = new Faults();
  faults.check(
    own.kvGroups === undefined,
    "kvGroups is given, and a service's scheduler has one pool of blocks: leave kvGroups out",
    'kvGroups',
  );
  faults.throwIfAny('These limits');
  const { maxModelLen, blockSize, numBlocks: modelBlocks, ...rest } = modelLimits(model, own) as Limits;
  const checked = completeLimits({ ...rest, maxModelLen, blockSize, numBlocks: modelBlocks });
  const usual = Math.min(modelBlocks, blocksOf(POOL_REQUESTS, checked));
  const numBlocks = pool !== null ? leastBlocks(checked) : own.numBlocks === undefined ? usual : modelBlocks;
  const limits = completeLimits({ ...checked, numBlocks });
  const { config, maxPositions } = model;
  if (config !== null) checkModelLimits(config, limits, tensorParallelSize);
  faults.check(
    maxModelLen <= maxPositions,
    `maxModelLen is ${maxModelLen}, and the model knows ${maxPositions} positions; lower it`,
    'maxModelLen',
  );
  faults.check(
    limits.contextParallelSize === 1,
    `contextParallelSize is ${limits.contextParallelSize}; a service has each request's cache on one rank: leave it out`,
    'contextParallelSize',
  );
  faults.throwIfAny('These limits');
  return limits;
}
