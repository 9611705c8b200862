import { LockstepError } from '../errors.js';

/** What bounds the scheduler of every rank, and the numbers that drive its simulated clock. */
export interface SchedulerLimits {
  /** Ranks that schedule on their own (data parallel). Required. */
  readonly ranks: number;
  /** Requests running at once, per rank. Default 256. */
  readonly maxNumSeqs: number;
  /** Tokens of one step, per rank. Default 8192. */
  readonly maxNumBatchedTokens: number;
  /** Tokens of one KV block. Default 16. */
  readonly blockSize: number;
  /** KV blocks per rank, the null block included. Default 131072. */
  readonly numBlocks: number;
  /** Longest prompt and output together, in tokens. Default 131072. */
  readonly maxModelLen: number;
  /** Tokens of a decode: 1 + speculative tokens. Default 1. */
  readonly queryLen: number;
  /** Chance that a draft is accepted when all drafts before it were, 0 to 1. Default 0.7. */
  readonly acceptRate: number;
  /** Seed of the draws, a non-negative safe integer. Default 0. */
  readonly seed: number;
  /** Arrival times are divided by it. Default 1. */
  readonly speed: number;
  /** [a, b, c] of t = a + b * tokens + c * kvTokens ms. Default [8, 0.096, 0]: about a 70B model on four GPUs. */
  readonly stepTime: readonly [number, number, number];
}

const DEFAULTS: SchedulerLimits = Object.freeze({
  ranks: 1,
  maxNumSeqs: 256,
  maxNumBatchedTokens: 8192,
  blockSize: 16,
  numBlocks: 131072,
  maxModelLen: 131072,
  queryLen: 1,
  acceptRate: 0.7,
  seed: 0,
  speed: 1,
  stepTime: Object.freeze([8, 0.096, 0]) as readonly [number, number, number],
});

const MAX_LIMIT = 2 ** 31 - 1;

/** Least value of each integer limit; the greatest is 2^31 - 1. */
const LEAST = {
  ranks: 1,
  maxNumSeqs: 1,
  maxNumBatchedTokens: 1,
  blockSize: 1,
  numBlocks: 2,
  maxModelLen: 1,
  queryLen: 1,
} as const;

/**
 * Fills in the defaults. Throws `ERR_CONFIG_INVALID`, listing every fault, for values out of range and for names that
 * are no limits.
 */
export function schedulerLimits(given: Partial<SchedulerLimits> & Pick<SchedulerLimits, 'ranks'>): SchedulerLimits {
  const faults: string[] = [];
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(DEFAULTS, name)) {
      faults.push(`"${name}" is no scheduler limit; the limits are ${Object.keys(DEFAULTS).join(', ')}`);
    }
  }
  const limits: SchedulerLimits = { ...DEFAULTS, ...withoutUndefined(given) };
  const expect = (name: keyof SchedulerLimits, valid: boolean, expected: string): void => {
    if (!valid) faults.push(`${name} must be ${expected}, found ${String(limits[name])}`);
  };
  for (const [name, least] of Object.entries(LEAST) as [keyof typeof LEAST, number][]) {
    const value = limits[name];
    const valid = Number.isInteger(value) && value >= least && value <= MAX_LIMIT;
    expect(name, valid, `an integer from ${least} to ${MAX_LIMIT}`);
  }
  const { acceptRate, seed, speed, stepTime } = limits;
  expect('acceptRate', acceptRate >= 0 && acceptRate <= 1, 'between 0 and 1');
  expect('seed', Number.isSafeInteger(seed) && seed >= 0, 'a non-negative safe integer');
  expect('speed', speed > 0 && Number.isFinite(speed), 'a finite number above 0');
  const timed = Array.isArray(stepTime) && stepTime.length === 3 && stepTime.every((x) => Number.isFinite(x) && x >= 0);
  expect('stepTime', timed, 'three finite numbers of at least 0: [a, b, c]');
  if (faults.length > 0) {
    throw new LockstepError('ERR_CONFIG_INVALID', `scheduler limits: ${faults.join('; ')}`, { faults });
  }
  const [a, b, c] = stepTime;
  return Object.freeze({ ...limits, stepTime: Object.freeze([a, b, c] as const) });
}

function withoutUndefined<T extends object>(values: T): T {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as T;
}
