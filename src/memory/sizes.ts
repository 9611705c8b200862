import type { Limits } from '../config.js';
import type { CapturePlan } from '../keys/index.js';
import {
  CANDIDATE_WORDS,
  COMMAND_HEADER_WORDS,
  COMMAND_WORDS,
  decisionWords,
  ENUMS,
  ERROR_WORDS,
  FACT_WORDS,
  KEY_WORDS,
  LOCAL_PART_WORDS,
  LOCAL_WORDS,
  MAX_COMMANDS,
  MAX_KV_GROUPS,
  MAX_PARTS,
  MAX_QUERY_LENS,
  OWN_GRAPH_WORDS,
  PADDING_RECORDS,
  type PaddingName,
  POLICY_WORDS,
  REDUCED_WORDS,
  type RegionName,
  ROW_WORDS,
  STAMP_WORDS,
  STATE_WORDS,
  TENSOR_BYTES,
  type TensorName,
  VOTE_WORDS,
} from '../layout/index.js';
import type { CheckedPolicy } from '../policy/index.js';
import { type KvGroupSizes, kvGroupSizes } from './kv-group-regions.js';

const KEY_KINDS = Object.keys(ENUMS.KEY_KIND).length;

/** Tensors that only some kernels read. */
export interface TensorChoices {
  /** `kvIndptr`, `kvIndices` and `kvLastPageLen`, of the whole batch and of each part. Default false. */
  readonly csr?: boolean;
}

/** The options that determine the sizes of a planner's arrays. */
export interface SizeOptions {
  readonly limits: Limits;
  readonly plan: CapturePlan;
  readonly policy: CheckedPolicy;
  readonly rank: number;
  readonly ranks: number;
  /** Consecutive ranks that schedule the same batch. Default 1. */
  readonly replicaSize?: number;
  /** What padding holds. Default 'lockstep'. */
  readonly padding?: PaddingName;
  /** Tensors beside those every planner has. Default none. */
  readonly tensors?: TensorChoices;
}

/** Counts that determine the sizes of arrays, and what a slot is computed from. */
export interface Sizes extends Pick<Limits, 'contextParallelSize' | 'contextParallelRank' | 'interleaveSize'> {
  readonly rank: number;
  readonly ranks: number;
  readonly replicaSize: number;
  readonly maxPaddedRequests: number;
  readonly maxPaddedTokens: number;
  readonly maxParts: number;
  /** Appends of blocks that are remembered for the block tables to catch up with: a power of two. */
  readonly appendLog: number;
  /** Entries of the table of blocks that a step writes: a power of two. */
  readonly blockWriters: number;
  /** Tokens that a padded request has in `seqLens`. */
  readonly paddedSeqLen: number;
  /** What differs between KV cache groups, for each of them. */
  readonly groups: readonly KvGroupSizes[];
}

/** Sizes of every array. */
export function memorySizes(options: SizeOptions): Sizes {
  const { limits, plan, policy, rank, ranks, replicaSize = 1, padding = 'lockstep', tensors = {} } = options;
  const maxPaddedRequests = Math.max(
    limits.maxNumSeqs,
    ...plan.keys.map((key) => key.prefillRequests + key.decodeRequests),
  );
  const groups = kvGroupSizes(limits, { maxPaddedRequests, csr: tensors.csr === true });
  const span = Math.min(...groups.map(({ blockSize }) => blockSize)) * limits.contextParallelSize;
  return {
    rank,
    ranks,
    replicaSize,
    maxPaddedRequests,
    maxPaddedTokens: Math.max(
      Math.ceil(limits.maxNumBatchedTokens / policy.tokenAlignment) * policy.tokenAlignment,
      ...plan.keys.map((key) => key.tokens),
    ),
    maxParts: policy.ubatches,
    paddedSeqLen: PADDING_RECORDS[padding].seqLens,
    // Twice what a step can write: each request may begin and end inside a block.
    blockWriters: 2 ** Math.ceil(Math.log2(2 * (limits.maxNumBatchedTokens / span + 2 * limits.maxNumSeqs))),
    // Both staging sets and the device catch up within two steps, and a request seldom gets blocks twice in a step.
    appendLog: 2 ** Math.ceil(Math.log2(4 * limits.maxNumSeqs)),
    contextParallelSize: limits.contextParallelSize,
    contextParallelRank: limits.contextParallelRank,
    interleaveSize: limits.interleaveSize,
    groups,
  };
}

/** Entries of a tensor, without slack; `group` is the KV cache group whose tensor it is, for a tensor of a group. */
export function tensorLength(name: TensorName, sizes: Sizes, { maxKvIndices }: KvGroupSizes): number {
  switch (name) {
    case 'queryStartLoc':
      return sizes.maxPaddedRequests + 1;
    case 'seqLens':
      return sizes.maxPaddedRequests;
    case 'tokensPerRank':
    case 'tokensPerRankReal':
      return sizes.ranks;
    case 'kvIndptr':
      return maxKvIndices > 0 ? sizes.maxPaddedRequests + 1 : 0;
    case 'kvIndices':
      return maxKvIndices;
    case 'kvLastPageLen':
      return maxKvIndices > 0 ? sizes.maxPaddedRequests : 0;
    case 'localSeqLens':
      return sizes.contextParallelSize > 1 ? sizes.maxPaddedRequests : 0;
    default:
      return sizes.maxPaddedTokens;
  }
}

/** Bytes of a tensor, without slack. */
export function tensorBytes(name: TensorName, sizes: Sizes, group: KvGroupSizes): number {
  return tensorLength(name, sizes, group) * TENSOR_BYTES[name];
}

/** Words of each region that all KV cache groups share: the groups' own come from `kvGroupRegionWords`. */
export function regionWords(
  limits: Limits,
  plan: CapturePlan,
  sizes: Sizes,
  checkWords: number,
): Record<RegionName, number> {
  return {
    policy: POLICY_WORDS.length,
    keys: plan.keys.length * KEY_WORDS.length,
    queryLens: MAX_QUERY_LENS,
    // After the keys' order the place where each kind begins, and where the last ends.
    keyOrder: plan.keys.length + KEY_KINDS + 1,
    dispatch: MAX_QUERY_LENS * MAX_PARTS * (sizes.maxPaddedRequests + 1),
    votes: sizes.ranks * VOTE_WORDS.length,
    ownVote: VOTE_WORDS.length,
    voteRanges: 2 * VOTE_WORDS.length,
    decision: decisionWords(sizes.ranks),
    previous: decisionWords(sizes.ranks),
    local: LOCAL_WORDS.length + MAX_PARTS * LOCAL_PART_WORDS.length,
    facts: FACT_WORDS.length,
    reduction: REDUCED_WORDS.length,
    ownReduction: REDUCED_WORDS.length,
    ownGraph: OWN_GRAPH_WORDS.length,
    candidates: plan.keys.length * CANDIDATE_WORDS.length,
    check: checkWords,
    error: ERROR_WORDS.length,
    commands: COMMAND_HEADER_WORDS + MAX_COMMANDS * COMMAND_WORDS.length,
    state: STATE_WORDS.length,
    rows: limits.maxNumSeqs * ROW_WORDS.length,
    freeRows: limits.maxNumSeqs,
    decodes: limits.maxNumSeqs,
    idDecodes: limits.maxNumSeqs,
    freedLanes: limits.maxNumSeqs,
    changedLanes: limits.maxNumSeqs,
    prefills: limits.maxNumSeqs,
    order: sizes.maxPaddedRequests,
    orderGenerations: sizes.maxPaddedRequests,
    orderLog: sizes.appendLog,
    inbox: Math.max(
      sizes.groups.reduce((sum, { maxBlocks }) => sum + maxBlocks, 0),
      limits.maxNumBatchedTokens,
      (2 + sizes.groups.length) * limits.maxNumSeqs,
    ),
    inboxCounts: MAX_KV_GROUPS,
    tokenPool: limits.maxNumBatchedTokens,
    laneStarts: limits.maxNumSeqs,
    laneLens: limits.maxNumSeqs,
    laneSteps: limits.maxNumSeqs,
    blockWriters: 3 * sizes.blockWriters,
    stamps: 2 * STAMP_WORDS.length,
  };
}
