import { checkHas, Faults, withoutUndefined } from './checks.js';
import { shown } from './errors.js';
import { LIMIT_DEFAULTS } from './names.js';

/** The limits that a planner is built for. What exceeds them is refused, at construction or before a vote. */
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
  /**
   * KV cache groups, where layers have block tables of different kinds: up to 8. `blockSize`, `kernelBlockSize` and `numBlocks` are
   * then the first group's. Default: one group. Source: vLLM kv_cache_groups.
   */
  readonly kvGroups?: readonly KvGroup[];
}

/** One KV cache group: layers that share block tables. Each group has a pool of blocks, block tables and slots of its own. */
export interface KvGroup {
  /** Tokens of one block, as the block manager counts them. */
  readonly blockSize: number;
  /** Tokens of one block as the group's attention kernel counts them; divides `blockSize`. Default `blockSize`. */
  readonly kernelBlockSize?: number;
  /** Blocks of the group on this rank, its null block 0 included. Default the limits' `numBlocks`. */
  readonly numBlocks?: number;
  /**
   * Tokens that a query attends to, itself included, in layers with a sliding window. Leading blocks of a request that are outside the
   * window of its next token may be given as the null block 0. Default 0: queries see all. Source: vLLM SlidingWindowSpec.
   */
  readonly window?: number;
}

/** Drafts of each decode where a rank decodes at most so many requests; null: any number. */
export interface DraftTier {
  /** Most decoding requests of the rank for which it holds; null: any number. */
  readonly maxRequests: number | null;
  /** Drafts of each decode, in tokens; 0 or more. */
  readonly drafts: number;
}

/** Tokens of a decode where so many requests decode: 1 and the drafts of their tier; 1 beyond the last tier. */
export function draftQueryLen(schedule: readonly DraftTier[], requests: number): number {
  const tier = schedule.find(({ maxRequests }) => maxRequests === null || requests <= maxRequests);
  return 1 + (tier?.drafts ?? 0);
}

/** Most ranks of one group: the slot of a rank and the supervisor's must fit seven bits of the memory that they share. */
export const MAX_RANKS = 64;

/** Most KV cache groups of one planner. */
export const MAX_KV_GROUPS = 8;

/** The default limits; one KV cache group. */
export const DEFAULT_LIMITS: Limits = LIMIT_DEFAULTS;

const MAX_TOKENS = 1 << 22;
const MAX_MODEL_LEN = 1 << 28;
/** Limits that equal the first group's if there are KV cache groups. */
const FIRST_GROUP = ['blockSize', 'kernelBlockSize', 'numBlocks'] as const;

/** Limits with their defaults, frozen. Throws `ERR_CONFIG_INVALID` with every fault at once. */
export function completeLimits(given: Partial<Limits> = {}): Limits {
  const own: Partial<Limits> = withoutUndefined(given);
  const faults = new Faults();
  faults.names('limits', given, [...Object.keys(DEFAULT_LIMITS), 'kvGroups']);
  const grouped = own.kvGroups !== undefined && checkGroupList(own.kvGroups, faults);
  const limits = { ...DEFAULT_LIMITS, ...own, ...(grouped ? ofGroups(own, faults) : {}) };
  if (!grouped && own.kernelBlockSize === undefined) limits.kernelBlockSize = limits.blockSize;
  faults.integer('maxNumSeqs', limits.maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', limits.maxNumBatchedTokens, 1, MAX_TOKENS);
  faults.integer('maxModelLen', limits.maxModelLen, 1, MAX_MODEL_LEN);
  if (faults.integer('queryLen', limits.queryLen, 1, 1 << 10)) {
    faults.check(
      limits.maxNumBatchedTokens >= limits.queryLen,
      `maxNumBatchedTokens (${limits.maxNumBatchedTokens}) is below queryLen (${limits.queryLen}): not one decode would fit a step`,
      'maxNumBatchedTokens',
      'queryLen',
    );
  }
  if (faults.integer('contextParallelSize', limits.contextParallelSize, 1, 1 << 10)) {
    faults.integer('contextParallelRank', limits.contextParallelRank, 0, limits.contextParallelSize - 1);
  }
  const interleave = faults.integer('interleaveSize', limits.interleaveSize, 1, 1 << 24);
  const check = (group: Required<KvGroup>, given: Partial<KvGroup>, place: string): void =>
    checkGroup(group, given, place, { ...limits, interleave }, faults);
  if (grouped) {
    for (const [index, group] of kvGroupsOf(limits).entries()) {
      check(group, own.kvGroups?.[index] ?? {}, `kvGroups[${index}].`);
    }
  } else {
    check({ ...limits, window: 0 }, own, '');
  }
  faults.throwIfAny('These limits');
  return Object.freeze(limits);
}

/** The KV cache groups of limits that have their defaults: at least one. */
export function kvGroupsOf(limits: Limits): readonly Required<KvGroup>[] {
  checkHas('limits', limits, []);
  const { blockSize, kernelBlockSize, numBlocks, kvGroups } = limits;
  if (kvGroups === undefined) return [{ blockSize, kernelBlockSize, numBlocks, window: 0 }];
  return kvGroups.map((group) => ({
    numBlocks,
    kernelBlockSize: group.blockSize,
    window: 0,
    ...withoutUndefined(group),
    blockSize: group.blockSize,
  }));
}

/** KV blocks that so many of the longest requests need, the null block included. */
export function blocksOf(requests: number, limits: Pick<Limits, 'maxModelLen' | 'blockSize'>): number {
  return 1 + requests * Math.ceil(limits.maxModelLen / limits.blockSize);
}

/** Notes what is wrong with the list itself. Returns whether it is a list of groups. */
function checkGroupList(groups: readonly KvGroup[], faults: Faults): boolean {
  if (!Array.isArray(groups) || groups.length < 1 || groups.length > MAX_KV_GROUPS) {
    const found = Array.isArray(groups) ? `an array of ${groups.length}` : shown(groups);
    faults.check(false, `kvGroups is ${found}; it must be an array of 1 to ${MAX_KV_GROUPS} groups`, 'kvGroups');
    return false;
  }
  for (const [index, group] of groups.entries()) {
    faults.names(`kvGroups[${index}]`, group, ['blockSize', 'kernelBlockSize', 'numBlocks', 'window']);
  }
  return groups.every((group) => typeof group === 'object' && group !== null);
}

/** The limits that groups determine, and their complete list. Notes limits that contradict them. */
function ofGroups(own: Partial<Limits>, faults: Faults): Partial<Limits> {
  const given = own.kvGroups ?? [];
  const numBlocks = own.numBlocks ?? given[0].numBlocks ?? DEFAULT_LIMITS.numBlocks;
  const groups = kvGroupsOf({ ...DEFAULT_LIMITS, numBlocks, kvGroups: given });
  const first = groups[0];
  for (const name of FIRST_GROUP) {
    faults.check(
      own[name] === undefined || own[name] === first[name],
      `${name} is ${shown(own[name])} and kvGroups[0].${name} is ${shown(first[name])}: leave ${name} out, it is the first group's`,
      name,
      'kvGroups',
    );
  }
  const { blockSize, kernelBlockSize } = first;
  return {
    blockSize,
    kernelBlockSize,
    numBlocks,
    kvGroups: Object.freeze(groups.map((group) => Object.freeze(group))),
  };
}

/** Notes what is wrong with a group; `place` goes before its fields' names. */
function checkGroup(
  group: Required<KvGroup>,
  given: Partial<KvGroup>,
  place: string,
  limits: Pick<Limits, 'interleaveSize' | 'contextParallelSize'> & { readonly interleave: boolean },
  faults: Faults,
): void {
  const { blockSize, kernelBlockSize, numBlocks } = group;
  const { interleaveSize, contextParallelSize } = limits;
  const blocks = faults.integer(`${place}blockSize`, blockSize, 1, 1 << 24);
  const pool = faults.integer(`${place}numBlocks`, numBlocks, 2, 2 ** 31 - 1);
  faults.integer(`${place}window`, group.window, 0, MAX_MODEL_LEN);
  // If left out, it equals blockSize and has no fault of its own.
  const kernel =
    given.kernelBlockSize === undefined || faults.integer(`${place}kernelBlockSize`, kernelBlockSize, 1, 1 << 24);
  if (blocks && kernel) {
    faults.check(
      blockSize % kernelBlockSize === 0,
      `${place}kernelBlockSize (${kernelBlockSize}) must divide blockSize (${blockSize})`,
      'blockSize',
    );
  }
  if (blocks && limits.interleave) {
    faults.check(
      blockSize % interleaveSize === 0,
      `interleaveSize (${interleaveSize}) must divide ${place}blockSize (${blockSize})`,
      'blockSize',
    );
  }
  if (faults.any || !pool) return;
  faults.check(
    blockSize * contextParallelSize < 2 ** 31,
    `${place}blockSize * contextParallelSize is ${blockSize * contextParallelSize}; tokens of one block across its ranks are counted in 32 bits`,
    'blockSize',
  );
  const kernelBlocks = numBlocks * (blockSize / kernelBlockSize);
  faults.check(
    kernelBlocks <= 2 ** 31,
    `${place}numBlocks * (blockSize / kernelBlockSize) is ${kernelBlocks}; kernel block ids are 32-bit`,
    'numBlocks',
    'blockSize',
  );
}
