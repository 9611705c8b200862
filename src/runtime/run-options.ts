import { completeLimits, Faults, type Limits } from '../config.js';
import type { DeviceKind } from '../device/device.js';
import { LockstepError } from '../errors.js';
import { type CapturePlan, checkPlan, decodePlan } from '../planner/capture-plan.js';
import { completePolicy, type Policy } from '../planner/policy.js';
import type { SchedulerLimits } from '../workload/index.js';
import type { VerifyMode } from './kv-verifier.js';

/** Options of `runWorkload`; those left out take their defaults. */
export interface RunOptions {
  /** Ranks, each a worker thread with its own planner and device context. Default 2. */
  readonly ranks?: number;
  readonly limits?: Partial<Limits>;
  readonly policy?: Partial<Policy>;
  /** Graphs to capture; else those of `ladder`. */
  readonly plan?: CapturePlan;
  /** Captured sizes in tokens. */
  readonly ladder?: readonly number[];
  /** Capture sizes from the ubatch threshold on both plain and ubatched. Default true. */
  readonly twins?: boolean;
  /** Chance that a draft is accepted when all before it were. Default 0.7. */
  readonly acceptRate?: number;
  readonly seed?: number;
  /** Arrival times are divided by it. Default 1. */
  readonly speed?: number;
  /** [a, b, c] of the simulated step time a + b * tokens + c * kvTokens, in ms. Default [8, 0.096, 0]. */
  readonly stepTime?: readonly [number, number, number];
  readonly device?: 'auto' | DeviceKind;
  /** `solo` for one rank, `threads` for more. Default: whichever fits. */
  readonly transport?: 'solo' | 'threads';
  readonly verify?: VerifyMode;
  /** Longest wait for a peer or the device, in ms. Default 30,000. */
  readonly timeoutMs?: number;
  /** Bytes each rank's device may use. Default: no limit of our own. */
  readonly deviceMemory?: number;
  /** Check every tensor of every step against its decision. Default false. */
  readonly checkShapes?: boolean;
}

/** Options with every default filled in and every number checked: plain data that crosses to the workers. */
export interface CompleteRunOptions {
  readonly ranks: number;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly plan: CapturePlan;
  readonly scheduler: SchedulerLimits;
  readonly device: 'auto' | DeviceKind;
  readonly transport: 'solo' | 'threads';
  readonly verify: VerifyMode;
  readonly timeoutMs: number;
  readonly deviceMemory: number | null;
  readonly checkShapes: boolean;
}

/** Throws ERR_CONFIG_INVALID listing every fault of every option at once. */
export function completeRunOptions(options: RunOptions): CompleteRunOptions {
  const faults: string[] = [];
  const collect = <T>(make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      if (!(error instanceof LockstepError) || !Array.isArray(error.details.faults)) throw error;
      faults.push(...(error.details.faults as string[]));
      return undefined;
    }
  };
  const limits = collect(() => completeLimits(options.limits));
  const policy = collect(() => completePolicy(options.policy));
  const numbers = collect(() => checkNumbers(options));
  const plan =
    limits !== undefined && policy !== undefined && numbers !== undefined
      ? collect(() => {
          const made =
            options.plan ?? decodePlan({ sizes: options.ladder ?? [], limits, policy, twins: options.twins });
          checkPlan(made, limits, policy);
          return made;
        })
      : undefined;
  if (
    faults.length > 0 ||
    limits === undefined ||
    policy === undefined ||
    numbers === undefined ||
    plan === undefined
  ) {
    const lines = faults.map((fault) => `  - ${fault}`).join('\n');
    throw new LockstepError('ERR_CONFIG_INVALID', `These options cannot work:\n${lines}`, { faults });
  }
  const scheduler: SchedulerLimits = {
    ranks: numbers.ranks,
    maxNumSeqs: limits.maxNumSeqs,
    maxNumBatchedTokens: limits.maxNumBatchedTokens,
    blockSize: limits.blockSize,
    numBlocks: limits.numBlocks,
    maxModelLen: limits.maxModelLen,
    queryLen: limits.queryLen,
    acceptRate: numbers.acceptRate,
    seed: numbers.seed,
    speed: numbers.speed,
    stepTime: numbers.stepTime,
  };
  return { ...numbers, limits, policy, plan, scheduler };
}

type Numbers = Omit<CompleteRunOptions, 'limits' | 'policy' | 'plan' | 'scheduler'> & {
  readonly acceptRate: number;
  readonly seed: number;
  readonly speed: number;
  readonly stepTime: readonly [number, number, number];
};

function checkNumbers(options: RunOptions): Numbers {
  const ranks = options.ranks ?? 2;
  const numbers: Numbers = {
    ranks,
    acceptRate: options.acceptRate ?? 0.7,
    seed: options.seed ?? 0,
    speed: options.speed ?? 1,
    stepTime: options.stepTime ?? [8, 0.096, 0],
    device: options.device ?? 'auto',
    transport: options.transport ?? (ranks === 1 ? 'solo' : 'threads'),
    verify: options.verify ?? 'full',
    timeoutMs: options.timeoutMs ?? 30_000,
    deviceMemory: options.deviceMemory ?? null,
    checkShapes: options.checkShapes ?? false,
  };
  const faults = new Faults();
  faults.integer('ranks', ranks, 1, 64);
  faults.number('acceptRate', numbers.acceptRate, 0, 1);
  faults.integer('seed', numbers.seed, 0, Number.MAX_SAFE_INTEGER);
  faults.number('speed', numbers.speed, 1e-6, 1e9);
  faults.check(
    numbers.stepTime.length === 3 && numbers.stepTime.every((x) => Number.isFinite(x) && x >= 0),
    `stepTime is ${JSON.stringify(numbers.stepTime)}; it must be three numbers of at least 0: a,b,c in ms`,
  );
  for (const size of options.ladder ?? []) faults.integer('a ladder size', size, 1, 1 << 22);
  faults.check(
    ['auto', 'host', 'cuda', 'hip'].includes(numbers.device),
    `device is ${numbers.device}; it must be auto, host, cuda or hip`,
  );
  faults.check(
    ['solo', 'threads'].includes(numbers.transport),
    `transport is ${numbers.transport}; it must be solo or threads`,
  );
  faults.check(
    numbers.transport !== 'solo' || ranks === 1,
    `transport solo is for one rank, and there are ${ranks}; use threads`,
  );
  faults.check(['full', 'sampled'].includes(numbers.verify), `verify is ${numbers.verify}; it must be full or sampled`);
  faults.integer('timeoutMs', numbers.timeoutMs, 1, 2 ** 31 - 1);
  if (numbers.deviceMemory !== null) faults.integer('deviceMemory', numbers.deviceMemory, 1, Number.MAX_SAFE_INTEGER);
  faults.throwIfAny('These options');
  return numbers;
}
