import type { Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { type CapturePlan, queryLens } from './capture-plan.js';
import {
  type KvGroupRegions,
  type KvGroupSizes,
  kvGroupRegionWords,
  kvGroupSizes,
  kvGroupWords,
  layKvGroup,
} from './kv-group-regions.js';
import {
  CANDIDATE_WORDS,
  COMMAND_HEADER_WORDS,
  COMMAND_WORDS,
  CONFIG_BASE,
  CONFIG_KV_GROUPS,
  CONFIG_REGIONS,
  CONFIG_TENSORS,
  CONFIG_WORDS,
  type DeviceSupplied,
  decisionWords,
  ERROR_WORDS,
  FACT_WORDS,
  KEY_WORDS,
  KV_GROUP_STATE_WORDS,
  KV_GROUP_WORDS,
  type KvGroupRegionName,
  type KvGroupTensorName,
  LIMIT_WORDS,
  LOCAL_PART_WORDS,
  LOCAL_WORDS,
  MAX_COMMANDS,
  MAX_KV_GROUPS,
  MAX_PARTS,
  MAX_QUERY_LENS,
  MAX_VIEWS,
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

/** Counts that every array is sized by, and what a slot is computed from; of KV cache groups, the first. */
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
  /** What differs between KV cache groups, of each of them. */
  readonly groups: readonly KvGroupSizes[];
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
  /** Each KV cache group's own arrays. Those of the first are the regions and tensors above. */
  readonly groups: readonly KvGroupRegions[];
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
  const maxPaddedRequests = Math.max(
    limits.maxNumSeqs,
    ...plan.keys.map((key) => key.prefillRequests + key.decodeRequests),
  );
  const groupSizes = kvGroupSizes(limits, { maxPaddedRequests, csr: choices.csr === true });
  const { maxBlocks, tableWidth, blockListStride, maxKvIndices } = groupSizes[0];
  const span = Math.min(...groupSizes.map(({ blockSize }) => blockSize)) * limits.contextParallelSize;
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
    maxKvIndices,
    maxParts: policy.ubatches,
    blockListStride,
    paddedSeqLen: PADDING_RECORDS[padding].seqLens,
    // Twice what a step can write: each request may begin and end inside a block.
    blockWriters: 2 ** Math.ceil(Math.log2(2 * (limits.maxNumBatchedTokens / span + 2 * limits.maxNumSeqs))),
    // Both staging sets and the device catch up within two steps, in each of which a request seldom gets blocks twice.
    appendLog: 2 ** Math.ceil(Math.log2(4 * limits.maxNumSeqs)),
    blockSize: limits.blockSize,
    kernelBlockSize: limits.kernelBlockSize,
    contextParallelSize: limits.contextParallelSize,
    contextParallelRank: limits.contextParallelRank,
    interleaveSize: limits.interleaveSize,
    groups: groupSizes,
  };
  const groupWords = groupSizes.map((group) => kvGroupRegionWords(group, { ...limits, ...sizes, checked }));
  const { groupState: _, ...firstGroup } = groupWords[0];
  const words = { ...regionWords(limits, plan, sizes, checkWords), ...firstGroup };
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
  const tensor = (set: number, view: number, name: TensorName): number => tensors.get(`${set} ${view} ${name}`) ?? 0;
  const region = (name: RegionName): Region => {
    const found = regions.get(name);
    if (found === undefined) throw new RangeError(`no region ${name}`);
    return found;
  };
  const groups = groupSizes.map((own, index): KvGroupRegions => {
    if (index === 0) {
      const groupState = region('state').offset + 4 * word(STATE_WORDS, KV_GROUP_STATE_WORDS[0]);
      const offset = (name: KvGroupRegionName): number => (name === 'groupState' ? groupState : region(name).offset);
      return { sizes: own, region: offset, tensor };
    }
    const bytes = (name: KvGroupTensorName): number => tensorBytes(name, { ...sizes, maxKvIndices: own.maxKvIndices });
    return layKvGroup(own, groupWords[index], bytes, views, (name, size) => take(name, size).offset);
  });
  if (next > 2 ** 32 - PAGE) {
    throw new LockstepError(
      'ERR_PLAN_CAPACITY',
      `These limits need ${Math.ceil(next / 2 ** 20)} MiB of planner memory, and 4095 MiB is the most it can have. ` +
        `The block tables ${choices.csr === true ? 'and kvIndices ' : ''}take most: lower maxNumSeqs (${limits.maxNumSeqs}) or maxModelLen (${limits.maxModelLen}), ` +
        `or raise blockSize (${sizes.groups.map(({ blockSize }) => blockSize).join(', ')})${choices.csr === true ? ', or leave tensors.csr out' : ''}.`,
      { bytes: next, limits },
    );
  }
  const written = (set: number, view: number, name: TensorName): number =>
    copies.get(`${set} ${view} ${name}`) ?? tensor(set, view, name);
  const config = configWords(limits, plan, sizes, region, written);
  for (const [index, group] of groups.entries())
    config.set(kvGroupWords(group), CONFIG_KV_GROUPS + index * KV_GROUP_WORDS);
  config[word(LIMIT_WORDS, 'checked')] = checked ? 1 : 0;
  const pages = Math.ceil(next / PAGE);
  return { sizes, pages, regions, region, tensor, written, groups, deviceSupplied, all, config };
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
  checkWords: number,
): Record<Exclude<RegionName, KvGroupRegionName>, number> {
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
    state: STATE_WORDS.length,
    rows: limits.maxNumSeqs * ROW_WORDS.length,
    freeRows: limits.maxNumSeqs,
    decodes: limits.maxNumSeqs,
    prefills: limits.maxNumSeqs,
    order: sizes.maxPaddedRequests,
    inbox: Math.max(
      sizes.groups.reduce((sum, { maxBlocks }) => sum + maxBlocks, 0),
      limits.maxNumBatchedTokens,
    ),
    inboxCounts: MAX_KV_GROUPS,
    tokenPool: limits.maxNumBatchedTokens,
    laneStarts: limits.maxNumSeqs,
    laneLens: limits.maxNumSeqs,
    blockWriters: 3 * sizes.blockWriters,
    stamps: 2 * STAMP_WORDS.length,
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
    kvGroups: sizes.groups.length,
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
