import { Faults, withoutUndefined } from '../../checks.js';
import { DEFAULT_LIMITS, type DraftTier } from '../../config.js';
import { WORKLOAD_DEFAULTS } from '../../names.js';

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
  /**
   * Drafts by the number of requests that a rank decodes, ascending: `queryLen` is then that of the most drafts. Default null: as many for any
   * number. Sources: vLLM num_speculative_tokens_per_batch_size, TensorRT-LLM draft_len_schedule.
   */
  readonly draftSchedule: readonly DraftTier[] | null;
  /** Chance that a draft is accepted when all drafts before it were, 0 to 1. Default 0.7. */
  readonly acceptRate: number;
  /** Seed of the draws, a non-negative safe integer. Default 0. */
  readonly seed: number;
  /** Arrival times are divided by it: 1e-6 to 1e9. Default 1. */
  readonly speed: number;
  /** [a, b, c] of t = a + b * tokens + c * kvTokens ms, each 0 to 1e9. Default [8, 0.096, 0]: about a 70B model on four GPUs. */
  readonly stepTime: readonly [number, number, number];
}

const MAX_INTEGER = 2 ** 31 - 1;

/** What is left out of scheduler limits; `ranks` must be given. */
export const DEFAULT_SCHEDULER_LIMITS: SchedulerLimits = Object.freeze({
  ranks: 1,
  maxNumSeqs: DEFAULT_LIMITS.maxNumSeqs,
  maxNumBatchedTokens: DEFAULT_LIMITS.maxNumBatchedTokens,
  blockSize: DEFAULT_LIMITS.blockSize,
  numBlocks: DEFAULT_LIMITS.numBlocks,
  maxModelLen: DEFAULT_LIMITS.maxModelLen,
  queryLen: DEFAULT_LIMITS.queryLen,
  draftSchedule: null,
  acceptRate: WORKLOAD_DEFAULTS.acceptRate,
  seed: WORKLOAD_DEFAULTS.seed,
  speed: WORKLOAD_DEFAULTS.speed,
  stepTime: WORKLOAD_DEFAULTS.stepTime,
});

/** Fills in the defaults, frozen. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function schedulerLimits(given: Partial<SchedulerLimits> & Pick<SchedulerLimits, 'ranks'>): SchedulerLimits {
  const limits: SchedulerLimits = { ...DEFAULT_SCHEDULER_LIMITS, ...withoutUndefined(given) };
  const faults = new Faults();
  faults.names('scheduler limits', given, Object.keys(DEFAULT_SCHEDULER_LIMITS));
  faults.integer('ranks', limits.ranks, 1, MAX_INTEGER);
  faults.integer('maxNumSeqs', limits.maxNumSeqs, 1, MAX_INTEGER);
  faults.integer('maxNumBatchedTokens', limits.maxNumBatchedTokens, 1, MAX_INTEGER);
  faults.integer('blockSize', limits.blockSize, 1, MAX_INTEGER);
  faults.integer('numBlocks', limits.numBlocks, 2, MAX_INTEGER);
  faults.integer('maxModelLen', limits.maxModelLen, 1, MAX_INTEGER);
  faults.integer('queryLen', limits.queryLen, 1, MAX_INTEGER);
  faults.number('acceptRate', limits.acceptRate, 0, 1);
  faults.integer('seed', limits.seed, 0, Number.MAX_SAFE_INTEGER);
  faults.number('speed', limits.speed, 1e-6, 1e9);
  const { stepTime } = limits;
  if (Array.isArray(stepTime) && stepTime.length === 3) {
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      faults.number(`stepTime ${name}`, stepTime[i], 0, 1e9);
    }
  } else {
    faults.check(false, `stepTime is ${String(stepTime)}; it must be three numbers: [a, b, c]`, 'stepTime');
  }
  faults.throwIfAny('These scheduler limits');
  const { ranks, maxNumSeqs, maxNumBatchedTokens, blockSize, numBlocks, maxModelLen, queryLen, draftSchedule } = limits;
  const { acceptRate, seed, speed } = limits;
  const [a, b, c] = stepTime;
  // Named one by one, the limits of every model have one layout, and code that was compiled for one serves the next.
  return Object.freeze({
    ranks,
    maxNumSeqs,
    maxNumBatchedTokens,
    blockSize,
    numBlocks,
    maxModelLen,
    queryLen,
    draftSchedule,
    acceptRate,
    seed,
    speed,
    stepTime: Object.freeze([a, b, c] as const),
  });
}
