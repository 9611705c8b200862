import { openModel } from '../checkpoint/index.js';
import { checkArguments, Faults, withoutUndefined } from '../checks.js';
import { completeLimits, MAX_RANKS } from '../config.js';
import { cacheSlotBytes, checkModelLimits, modelLimits } from '../decoder/index.js';
import { shown } from '../errors.js';
import { leastBlocks, limitsWithoutPool, poolOf } from '../kv-pool.js';
import { DEVICE_PATTERN, DEVICE_WORDS } from '../names.js';
import { type CompleteSimulateOptions, checkCache, completeSteps } from '../simulation/index.js';
import { type CompleteRunOptions, DEFAULT_RUN_OPTIONS, type GivenOptions, type RunOptions } from './run-options.js';
import { completeRunSampling } from './run-sampling.js';

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeRunOptions(given: RunOptions): CompleteRunOptions {
  checkArguments('runWorkload', { options: [given, 'object'] });
  const options: GivenOptions = { ...DEFAULT_RUN_OPTIONS, ...withoutUndefined(given) };
  const faults = new Faults();
  const config = options.model === undefined ? null : faults.of(() => openModel(options.model as string).config);
  const pooled = faults.of(() => pooledLimits(given));
  const pool = pooled?.pool ?? null;
  const steps = completeSteps(given, faults, {
    asked: pooled?.limits,
    complete: (asked) => {
      const complete = completeLimits(config ? modelLimits(config, asked) : asked);
      return pool === null ? complete : { ...complete, numBlocks: leastBlocks(complete) };
    },
    own: () => ownOptions(options, given),
    checkLimits: (limits, { tensorParallelSize, deviceMemory }) => {
      if (config) faults.of(() => checkModelLimits(config, limits, tensorParallelSize));
      if (pool !== null) return;
      faults.of(() =>
        checkCache(limits, deviceMemory, config ? cacheSlotBytes(config) / tensorParallelSize : undefined),
      );
    },
  });
  return { ...steps, pool };
}

/** The pool that `numBlocks: 'auto'` asks for, and the other limits. Errors: ERR_CONFIG_INVALID. */
function pooledLimits({ limits, gpuMemoryUtilization, model }: RunOptions): ReturnType<typeof poolOf> {
  const faults = new Faults();
  if (model !== undefined) {
    const pooled = poolOf(limits, gpuMemoryUtilization, faults);
    faults.throwIfAny('These options');
    return pooled;
  }
  faults.check(
    gpuMemoryUtilization === undefined,
    'gpuMemoryUtilization is for a model with numBlocks auto, and there is no model: leave it out, or give model and numBlocks auto',
    'gpuMemoryUtilization',
    'model',
    'numBlocks',
  );
  const own = faults.of(() => limitsWithoutPool(limits));
  faults.throwIfAny('These options');
  return { pool: null, limits: own };
}

/** The options of the run alone, and its ranks. */
type OwnOptions = Omit<CompleteRunOptions, 'pool' | Exclude<keyof CompleteSimulateOptions, 'ranks'>>;

/** The options of the run itself, checked. */
function ownOptions(options: GivenOptions, given: RunOptions): OwnOptions {
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
