import { LockstepError, shown } from './errors.js';

/** What a planner is built for. Everything that cannot fit these is refused, at construction or before a vote. */
export interface Limits {
  /** Most requests scheduled in one step. Default 256 (vLLM's max_num_seqs). */
  readonly maxNumSeqs: number;
  /** Most tokens scheduled in one step. Default 8192 (vLLM's max_num_batched_tokens). */
  readonly maxNumBatchedTokens: number;
  /** Longest request, prompt and output, in tokens. Default 131072. */
  readonly maxModelLen: number;
  /** Tokens of one KV block, as the block manager counts them. Default 16. */
  readonly blockSize: number;
  /** KV blocks of this rank, the null block 0 included. Default 131072. */
  readonly numBlocks: number;
  /** Tokens of one block as the attention kernel counts them; divides `blockSize`. Default `blockSize`. */
  readonly kernelBlockSize: number;
  /** Most tokens of one decode request: 1 + speculative tokens. Default 1. */
  readonly queryLen: number;
  /** Ranks that share one request's KV cache. Default 1. */
  readonly contextParallelSize: number;
  /** This rank's place among them. Default 0. */
  readonly contextParallelRank: number;
  /** Consecutive tokens one of them stores; divides `blockSize`. Default 1 (vLLM's cp_kv_cache_interleave_size). */
  readonly interleaveSize: number;
}

export const DEFAULT_LIMITS: Limits = Object.freeze({
  maxNumSeqs: 256,
  maxNumBatchedTokens: 8192,
  maxModelLen: 131072,
  blockSize: 16,
  numBlocks: 131072,
  kernelBlockSize: 16,
  queryLen: 1,
  contextParallelSize: 1,
  contextParallelRank: 0,
  interleaveSize: 1,
});

/** Collects every fault of a configuration, so that a user corrects all of them at once. */
export class Faults {
  readonly #list: string[] = [];

  /** Notes a fault unless `value` is an integer from `low` to `high`. */
  integer(name: string, value: unknown, low: number, high: number): boolean {
    if (Number.isInteger(value) && (value as number) >= low && (value as number) <= high) return true;
    this.#list.push(`${name} is ${shown(value)}; it must be an integer from ${low} to ${high}`);
    return false;
  }

  /** Notes a fault unless `value` is a finite number from `low` to `high`. */
  number(name: string, value: unknown, low: number, high: number): boolean {
    if (typeof value === 'number' && value >= low && value <= high) return true;
    this.#list.push(`${name} is ${shown(value)}; it must be a number from ${low} to ${high}`);
    return false;
  }

  /** Notes `message` unless `holds`. */
  check(holds: boolean, message: string): void {
    if (!holds) this.#list.push(message);
  }

  /** Notes every name of `given` that is not among `known`. */
  names(what: string, given: object, known: readonly string[]): void {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      this.check(false, `${what} is ${shown(given)}; it must be an object`);
      return;
    }
    for (const name of Object.keys(given)) {
      this.check(known.includes(name), `${what} has no ${name}; it has ${known.join(', ')}`);
    }
  }

  get any(): boolean {
    return this.#list.length > 0;
  }

  /** Throws `ERR_CONFIG_INVALID` with all faults, if there are any. */
  throwIfAny(what: string): void {
    if (this.#list.length === 0) return;
    const lines = this.#list.map((fault) => `  - ${fault}`).join('\n');
    throw new LockstepError('ERR_CONFIG_INVALID', `${what} cannot work:\n${lines}`, { faults: [...this.#list] });
  }
}

const MAX_TOKENS = 1 << 22;

/** Limits with their defaults, frozen. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completeLimits(given: Partial<Limits> = {}): Limits {
  const limits = { ...DEFAULT_LIMITS, ...withoutUndefined(given) };
  if (given?.kernelBlockSize === undefined) limits.kernelBlockSize = limits.blockSize;
  const faults = new Faults();
  faults.names('limits', given, Object.keys(DEFAULT_LIMITS));
  faults.integer('maxNumSeqs', limits.maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', limits.maxNumBatchedTokens, 1, MAX_TOKENS);
  faults.integer('maxModelLen', limits.maxModelLen, 1, 1 << 28);
  const blocks = faults.integer('blockSize', limits.blockSize, 1, 1 << 24);
  faults.integer('numBlocks', limits.numBlocks, 2, 2 ** 31 - 1);
  // Left out, it is blockSize, and has no fault of its own.
  const kernel =
    given?.kernelBlockSize === undefined || faults.integer('kernelBlockSize', limits.kernelBlockSize, 1, 1 << 24);
  if (faults.integer('queryLen', limits.queryLen, 1, 1 << 10)) {
    faults.check(
      limits.maxNumBatchedTokens >= limits.queryLen,
      `maxNumBatchedTokens (${limits.maxNumBatchedTokens}) is below queryLen (${limits.queryLen}): not one decode would fit a step`,
    );
  }
  if (faults.integer('contextParallelSize', limits.contextParallelSize, 1, 1 << 10)) {
    faults.integer('contextParallelRank', limits.contextParallelRank, 0, limits.contextParallelSize - 1);
  }
  const interleave = faults.integer('interleaveSize', limits.interleaveSize, 1, 1 << 24);
  if (blocks && kernel) {
    faults.check(
      limits.blockSize % limits.kernelBlockSize === 0,
      `kernelBlockSize (${limits.kernelBlockSize}) must divide blockSize (${limits.blockSize})`,
    );
  }
  if (blocks && interleave) {
    faults.check(
      limits.blockSize % limits.interleaveSize === 0,
      `interleaveSize (${limits.interleaveSize}) must divide blockSize (${limits.blockSize})`,
    );
  }
  if (!faults.any) {
    const { blockSize, kernelBlockSize, contextParallelSize, numBlocks } = limits;
    faults.check(
      blockSize * contextParallelSize < 2 ** 31,
      `blockSize * contextParallelSize is ${blockSize * contextParallelSize}; tokens of one block across its ranks are counted in 32 bits`,
    );
    faults.check(
      numBlocks * (blockSize / kernelBlockSize) <= 2 ** 31,
      `numBlocks * (blockSize / kernelBlockSize) is ${numBlocks * (blockSize / kernelBlockSize)}; kernel block ids are 32-bit`,
    );
  }
  faults.throwIfAny('These limits');
  return Object.freeze(limits);
}

/** The fields of `value` that are given. */
export function withoutUndefined<T extends object>(value: T): Partial<T> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as Partial<T>;
}
