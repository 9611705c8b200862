import type { Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { type CapturePlan, queryLens } from './capture-plan.js';
import {
  APPEND_WORDS,
  BLOCK_LIST_TAIL,
  CANDIDATE_WORDS,
  COMMAND_HEADER_WORDS,
  COMMAND_WORDS,
  CONFIG_BASE,
  CONFIG_REGIONS,
  CONFIG_TENSORS,
  CONFIG_WORDS,
  CURSOR_WORDS,
  type DeviceSupplied,
  decisionWords,
  ERROR_WORDS,
  FACT_WORDS,
  KEY_WORDS,
  LIMIT_WORDS,
  LOCAL_PART_WORDS,
  LOCAL_WORDS,
  MAX_COMMANDS,
  MAX_EVENT_BUCKETS,
  MAX_PARTS,
  MAX_QUERY_LENS,
  MAX_VIEWS,
  MIRRORS,
  NEED_WORDS,
  PADDING_RECORDS,
  type PaddingName,
  POLICY_WORDS,
  REGIONS,
  type RegionName,
  ROW_WORDS,
  STAMP_WORDS,
  STATE_WORDS,
  TENSOR_BYTES,
  TENSORS,
  type TensorName,
  VOTE_WORDS,
  word,
} from './layout.js';
import type { Policy } from './policy.js';

/** Bytes of one WebAssembly page. */
const PAGE = 65536;
const ALIGNMENT = 64;
/** Bytes after each region that SIMD stores may overshoot into: up to 15 slots. */
const SLACK = 128;

/** A range of the planner's memory, in bytes. */
export interface Region {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Counts that every array is sized by, and what a slot is computed from. */
export interface Sizes
  extends Pick<
    Limits,
    'blockSize' | 'kernelBlockSize' | 'contextParallelSize' | 'contextParallelRank' | 'interleaveSize'
  > {
  readonly rank: number;
  readonly ranks: number;
  readonly replicaSize: number;
  readonly maxPaddedRequests: number;
  readonly maxPaddedTokens: number;
  readonly maxBlocks: number;
  readonly tableWidth: number;
  readonly maxParts: number;
  /** Appends of blocks that are remembered for the block tables to catch up with: a power of two. */
  readonly appendLog: number;
  /** Words from one request's block list to the next. */
  readonly blockListStride: number;
  /** Entries of the table of blocks that a step writes: a power of two. */
  readonly blockWriters: number;
  /** Most entries of `kvIndices`: the blocks of as many of the longest requests as run at once, and one a padded request. 0 without it. */
  readonly maxKvIndices: number;
  /** Tokens that a padded request is said to have. */
  readonly paddedSeqLen: number;
}

/** Where everything lies, decided once from limits, plan and policy. */
export interface RegionTable {
  readonly sizes: Sizes;
  readonly pages: number;
  readonly regions: ReadonlyMap<RegionName, Region>;
  /** The region of that name. Throws a RangeError for a name that is none. */
  region(name: RegionName): Region;
  /** Offset of a tensor of a view (0 whole, 1 + p part p) of a staging set; 0 where there is no such view. */
  tensor(set: number, view: number, name: TensorName): number;
  /** The same of what the kernels write: for a tensor that the device supplies, a copy that other tensors are derived from. */
  written(set: number, view: number, name: TensorName): number;
  /** Tensors that are planned and not filled. */
  readonly deviceSupplied: ReadonlySet<TensorName>;
  /** Every region in memory order, the fixed ones included. */
  readonly all: readonly Region[];
  /** The words at `CONFIG_BASE`. */
  readonly config: Int32Array;
}

/** Tensors that only some kernels read. */
export interface TensorChoices {
  /** `kvIndptr`, `kvIndices` and `kvLastPageLen`, of the whole batch and of each part. Default false. */
  readonly csr?: boolean;
}

/** What a planner's memory is laid out for. */
export interface RegionOptions {
  readonly limits: Limits;
  readonly plan: CapturePlan;
  readonly policy: Policy;
  readonly rank: number;
  readonly ranks: number;
  /** Consecutive ranks that schedule the same batch. Default 1. */
  readonly replicaSize?: number;
  /** Words of the region that the model checker works in. Default 0. */
  readonly checkWords?: number;
  /** Count who holds each block, so that steps can be checked for shared ones. Default false. */
  readonly checked?: boolean;
  /** What padding holds. Default 'lockstep'. */
  readonly padding?: PaddingName;
  /** Tensors beside those every planner has. Default none. */
  readonly tensors?: TensorChoices;
  /** Tensors that the device fills: planned, and left alone. Default none. */
  readonly deviceSupplied?: readonly DeviceSupplied[];
}

/** Lays out a planner's memory. Throws `ERR_PLAN_CAPACITY` if it does not fit 32 bits of addresses. */
export function planRegions(options: RegionOptions): RegionTable {
  const {
    limits,
    plan,
    policy,
    rank,
    ranks,
    replicaSize = 1,
    checkWords = 0,
    checked = false,
    padding = 'lockstep',
    tensors: choices = {},
    deviceSupplied: supplied = [],
  } = options;
  const span = limits.blockSize * limits.contextParallelSize;
  const perBlock = limits.blockSize / limits.kernelBlockSize;
  const maxBlocks = Math.ceil(limits.maxModelLen / span);
  const tableWidth = maxBlocks * perBlock;
  const maxPaddedRequests = Math.max(
    limits.maxNumSeqs,
    ...plan.keys.map((key) => key.prefillRequests + key.decodeRequests),
  );
  const sizes: Sizes = {
    rank,
    ranks,
    replicaSize,
    maxPaddedRequests,
    maxPaddedTokens: Math.max(
      Math.ceil(limits.maxNumBatchedTokens / policy.tokenAlignment) * policy.tokenAlignment,
      ...plan.keys.map((key) => key.tokens),
    ),
    maxBlocks,
    tableWidth,
    maxKvIndices: choices.csr === true ? limits.maxNumSeqs * tableWidth + maxPaddedRequests - limits.maxNumSeqs : 0,
    maxParts: policy.ubatches,
    // Both staging sets and the device catch up within two steps, in each of which a request seldom gets blocks twice.
    // Beside the tail, this keeps lists from lying a power of two apart, where they would share a few lines of a cache.
    blockListStride: maxBlocks + BLOCK_LIST_TAIL,
    paddedSeqLen: PADDING_RECORDS[padding].seqLens,
    // Twice what a step can write: each request may begin and end inside a block.
    blockWriters: 2 ** Math.ceil(Math.log2(2 * (limits.maxNumBatchedTokens / span + 2 * limits.maxNumSeqs))),
    appendLog: 2 ** Math.ceil(Math.log2(4 * limits.maxNumSeqs)),
    blockSize: limits.blockSize,
    kernelBlockSize: limits.kernelBlockSize,
    contextParallelSize: limits.contextParallelSize,
    contextParallelRank: limits.contextParallelRank,
    interleaveSize: limits.interleaveSize,
  };
  const words = regionWords(limits, plan, sizes, { checkWords, checked });
  const all: Region[] = [
    { name: 'reserved page', offset: 0, bytes: PAGE },
    { name: 'AssemblyScript statics', offset: PAGE, bytes: PAGE },
    { name: 'C++ statics and stack', offset: 2 * PAGE, bytes: CONFIG_BASE - 2 * PAGE },
  ];
  let next = CONFIG_BASE;
  const take = (name: string, bytes: number): Region => {
    const region = { name, offset: next, bytes };
    all.push(region);
    next = Math.ceil((next + bytes + SLACK) / ALIGNMENT) * ALIGNMENT;
    return region;
  };
  take('config', CONFIG_WORDS * 4);
  const regions = new Map(REGIONS.map((name) => [name, take(name, words[name] * 4)]));
  const tensors = new Map<string, number>();
  const copies = new Map<string, number>();
  const deviceSupplied: ReadonlySet<TensorName> = new Set(supplied);
  const views = sizes.maxParts > 1 ? 1 + sizes.maxParts : 1;
  for (let set = 0; set < 2; set++) {
    for (let view = 0; view < views; view++) {
      for (const name of TENSORS) {
        const key = `${set} ${view} ${name}`;
        const bytes = tensorBytes(name, sizes);
        tensors.set(key, take(`set ${set} view ${view} ${name}`, bytes).offset);
        if (deviceSupplied.has(name)) copies.set(key, take(`set ${set} view ${view} copy of ${name}`, bytes).offset);
      }
    }
  }
  if (next > 2 ** 32 - PAGE) {
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `These limits need ${Math.ceil(next / 2 ** 20)} MiB of planner memory, and 4095 MiB is the most it can have. ` +
        `The block tables ${choices.csr === true ? 'and kvIndices ' : ''}take most: lower maxNumSeqs (${limits.maxNumSeqs}) or maxModelLen (${limits.maxModelLen}), ` +
        `or raise blockSize (${limits.blockSize})${choices.csr === true ? ', or leave tensors.csr out' : ''}.`,
      { bytes: next, limits },
    );
  }
  const tensor = (set: number, view: number, name: TensorName): number => tensors.get(`${set} ${view} ${name}`) ?? 0;
  const written = (set: number, view: number, name: TensorName): number =>
    copies.get(`${set} ${view} ${name}`) ?? tensor(set, view, name);
  const region = (name: RegionName): Region => {
    const found = regions.get(name);
    if (found === undefined) throw new RangeError(`no region ${name}`);
    return found;
  };
  const config = configWords(limits, plan, sizes, region, written);
  config[word(LIMIT_WORDS, 'checked')] = checked ? 1 : 0;
  return { sizes, pages: Math.ceil(next / PAGE), regions, region, tensor, written, deviceSupplied, all, config };
}

/** Entries of a tensor, without slack. */
export function tensorLength(name: TensorName, sizes: Sizes): number {
  switch (name) {
    case 'queryStartLoc':
      return sizes.maxPaddedRequests + 1;
    case 'seqLens':
      return sizes.maxPaddedRequests;
    case 'tokensPerRank':
    case 'tokensPerRankReal':
      return sizes.ranks;
    case 'kvIndptr':
      return sizes.maxKvIndices > 0 ? sizes.maxPaddedRequests + 1 : 0;
    case 'kvIndices':
      return sizes.maxKvIndices;
    case 'kvLastPageLen':
      return sizes.maxKvIndices > 0 ? sizes.maxPaddedRequests : 0;
    case 'localSeqLens':
      return sizes.contextParallelSize > 1 ? sizes.maxPaddedRequests : 0;
    default:
      return sizes.maxPaddedTokens;
  }
}

function tensorBytes(name: TensorName, sizes: Sizes): number {
  return tensorLength(name, sizes) * TENSOR_BYTES[name];
}

function regionWords(
  limits: Limits,
  plan: CapturePlan,
  sizes: Sizes,
  { checkWords, checked }: { checkWords: number; checked: boolean },
): Record<RegionName, number> {
  const table = sizes.maxPaddedRequests * sizes.tableWidth;
  return {
    policy: POLICY_WORDS.length,
    keys: plan.keys.length * KEY_WORDS.length,
    queryLens: MAX_QUERY_LENS,
    dispatch: MAX_QUERY_LENS * MAX_PARTS * (sizes.maxPaddedRequests + 1),
    votes: sizes.ranks * VOTE_WORDS.length,
    ownVote: VOTE_WORDS.length,
    decision: decisionWords(sizes.ranks),
    previous: decisionWords(sizes.ranks),
    local: LOCAL_WORDS.length + MAX_PARTS * LOCAL_PART_WORDS.length,
    facts: FACT_WORDS.length,
    need: NEED_WORDS.length,
    candidates: plan.keys.length * CANDIDATE_WORDS.length,
    check: checkWords,
    error: ERROR_WORDS.length,
    commands: COMMAND_HEADER_WORDS + MAX_COMMANDS * COMMAND_WORDS.length,
    tableEdits: 4 * sizes.maxPaddedRequests,
    state: STATE_WORDS.length,
    rows: limits.maxNumSeqs * ROW_WORDS.length,
    freeRows: limits.maxNumSeqs,
    decodes: limits.maxNumSeqs,
    prefills: limits.maxNumSeqs,
    order: sizes.maxPaddedRequests,
    inbox: Math.max(sizes.maxBlocks, limits.maxNumBatchedTokens, 2 * limits.maxNumSeqs),
    tokenPool: limits.maxNumBatchedTokens,
    blockLists: limits.maxNumSeqs * sizes.blockListStride,
    laneStarts: limits.maxNumSeqs,
    laneLens: limits.maxNumSeqs,
    laneBounds: limits.maxNumSeqs,
    laneBases: 2 * limits.maxNumSeqs,
    laneNextBases: 2 * limits.maxNumSeqs,
    eventLanes: limits.maxNumSeqs,
    eventStarts: MAX_EVENT_BUCKETS + 1,
    blockWriters: 3 * sizes.blockWriters,
    blockHolders: checked ? limits.numBlocks : 0,
    highWater: 2 * MAX_VIEWS,
    stamps: 2 * STAMP_WORDS.length,
    appendLog: sizes.appendLog * APPEND_WORDS.length,
    mirrorGenerations: MIRRORS.length * sizes.maxPaddedRequests,
    mirrorCounts: MIRRORS.length * sizes.maxPaddedRequests,
    mirrorCursors: MIRRORS.length * CURSOR_WORDS.length,
    blockTable0: table,
    blockTable1: table,
  };
}

function configWords(
  limits: Limits,
  plan: CapturePlan,
  sizes: Sizes,
  region: RegionTable['region'],
  written: RegionTable['written'],
): Int32Array {
  const config = new Int32Array(CONFIG_WORDS);
  const values: Record<(typeof LIMIT_WORDS)[number], number> = {
    ...sizes,
    maxRequests: limits.maxNumSeqs,
    maxTokens: limits.maxNumBatchedTokens,
    maxModelLen: limits.maxModelLen,
    numBlocks: limits.numBlocks,
    numKeys: plan.keys.length,
    queryLen: limits.queryLen,
    poisoned: 0,
    checked: 0,
  };
  for (const name of LIMIT_WORDS) config[word(LIMIT_WORDS, name)] = values[name];
  for (const [index, name] of REGIONS.entries()) config[CONFIG_REGIONS + index] = region(name).offset;
  for (let set = 0; set < 2; set++) {
    for (let view = 0; view < MAX_VIEWS; view++) {
      for (const [index, name] of TENSORS.entries()) {
        config[CONFIG_TENSORS + (set * MAX_VIEWS + view) * TENSORS.length + index] = written(set, view, name);
      }
    }
  }
  return config;
}

/** The plan's query lengths as the rules module reads them: ascending, 0 after the last. */
export function queryLenWords(plan: CapturePlan): Int32Array {
  const words = new Int32Array(MAX_QUERY_LENS);
  words.set(queryLens(plan));
  return words;
}
