/**
 * The only declaration, with `kv-group-layout.ts`, of what the planner's modules share in linear memory: the words of votes, decisions, policies,
 * capture keys and local plans, the regions that hold them, and the command block the addon reads.
 * `scripts/write-layout.mjs` writes `asc/layout.ts` and `wasm/layout.h` from the tables below. Every word is an int32.
 */

import { MAX_KV_GROUPS } from '../config.js';
import { KV_GROUP_REGIONS, KV_GROUP_SIZES, KV_GROUP_TENSORS } from './kv-group-layout.js';

/** Version of the vote row and of the decision. Ranks that differ refuse each other's table. */
export const LAYOUT_VERSION = 2;

/** Most micro-batches (parts) a step can be cut into. */
export const MAX_PARTS = 4;

/** Most decode query lengths (1 + speculative tokens) one capture plan can hold. */
export const MAX_QUERY_LENS = 4;

export * from './kv-group-layout.js';
export { MAX_KV_GROUPS };

/** Where the region table starts: after the reserved page, the AssemblyScript statics and the C++ statics and stack. */
export const CONFIG_BASE = 262144;

/** The fixed-size row a rank contributes to a step. `tokens` are always tokens, never requests. */
export const VOTE_WORDS = [
  'version',
  'step',
  'planHash',
  'control',
  'faultCode',
  'phase',
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'paddedTokens',
  'maxSeqLen',
  'graphMode',
  'variant',
  'wantsUbatches',
  'meetsMinimum',
  'canSplit',
  'parts',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'graphVeto',
  'ubatchVeto',
  'flags',
  'maxDecodeQueryLen',
  'reserved27',
  'reserved28',
  'reserved29',
  'reserved30',
  'reserved31',
] as const;

/** What every rank derives from the table, word for word the same. `MAX_PARTS` part records of `PART_WORDS` follow. */
export const DECISION_WORDS = [
  'version',
  'step',
  'run',
  'reason',
  'reasonRank',
  'reasonDetail',
  'captureKey',
  'phase',
  'paddedTokens',
  'paddedRequests',
  'queryLen',
  'parts',
  'ranks',
  'busyRanks',
  'ubatchWishes',
  'plainTwin',
  'leave',
  'maxTokens',
  'variant',
  'paddedPrefillRequests',
  'paddedDecodeRequests',
  'overlap',
  'heldWishes',
  'reserved23',
] as const;

/** One part of a decision; `tokensPerRank` (int32[ranks]) follows each. Its padded requests are those of a graph, 0 in eager. */
export const PART_WORDS = ['paddedTokens', 'paddedRequests', 'gather', 'reserved3'] as const;

/** One captured graph, by value. `collectives` are those its forward holds (bit set). */
export const KEY_WORDS = [
  'mode',
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'queryLen',
  'maxQueryLen',
  'parts',
  'variant',
  'collectives',
  'reserved9',
  'reserved10',
  'reserved11',
] as const;

/** The choices of a `Policy`, as numbers: those of the enums below, counts, and bit sets. */
export const POLICY_WORDS = [
  'ubatches',
  'ubatchThresholdDecode',
  'ubatchThresholdPrefill',
  'tokenAlignment',
  'eagerEmptyPart',
  'enforceEager',
  'maxPaddingPermille',
  'ubatchHysteresis',
  'graphAgreement',
  'ubatchAgreement',
  'lastPart',
  'decodeMatch',
  'mixedGraphs',
  'mixedMatch',
  'eagerGather',
  'eagerParts',
  'split',
  'sharedBlocks',
  'ubatchMinRequests',
  'ubatchCaptureMinRequests',
  'exclusiveResources',
  'onSharedResource',
  'partSizes',
  'prepare',
  'captureGuard',
  'reserved25',
  'reserved26',
  'reserved27',
] as const;

/** What the batch state knows of the scheduled batch, before any rule is applied to it. */
export const FACT_WORDS = [
  'tokens',
  'prefillRequests',
  'decodeRequests',
  'uniformQueryLen',
  'maxQueryLen',
  'maxSeqLen',
  'canSplit',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'maxDecodeQueryLen',
  'sharedBlock',
] as const;

/** What a table of votes comes to: the reductions every choice of a key is made from. */
export const NEED_WORDS = [
  'busyRanks',
  'leavingRanks',
  'wishes',
  'heldWishes',
  'phase',
  'tokens',
  'minTokens',
  'prefillRequests',
  'decodeRequests',
  'requests',
  'maxQueryLen',
  'maxDecodeQueryLen',
  'uniformQueryLen',
  'variant',
  'graphMode',
  'paddedTokens',
  'parts',
  'vetoRank',
  'eagerRank',
  'refusalRank',
] as const;

/** Why a key is not the one that runs, a pair of words for each key of the plan. */
export const CANDIDATE_WORDS = ['verdict', 'detail'] as const;

/** What one rank does in a step, as the model checker sees it: the tensors it prepares, and what it runs and enters. */
export const ACTION_WORDS = [
  'preparedTokens',
  'preparedRequests',
  'run',
  'key',
  'tokens',
  'requests',
  'parts',
  'overlap',
  'part0Tokens',
  'part1Tokens',
  'part2Tokens',
  'part3Tokens',
  'gather',
] as const;

/** Properties that the model checker explores; a violation is recorded at the place of its name. */
export const PROPERTIES = ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P9', 'P10', 'P11'] as const;

/** Most ranks whose tables the model checker enumerates. */
export const MAX_CHECK_RANKS = 8;

/** Counters of the batch state. */
export const STATE_WORDS = [
  'freeRows',
  'generation',
  'decodes',
  'prefills',
  'tokens',
  'poolTokens',
  'built',
  'lastDecodes',
  'steady',
  'steadySteps',
  'steadyRoom',
  'steadyMaxSeqLen',
  'orderVersion',
  'orderRows',
  'eventBuckets',
  'appends',
  'tableEdits',
] as const;

/** One request in the batch state. */
export const ROW_WORDS = [
  'active',
  'generation',
  'numComputedTokens',
  'reserved3',
  'scheduled',
  'phase',
  'queryLen',
  'lastChunk',
  'tokenOffset',
  'tableRow',
  'dependsOn',
  'reserved11',
] as const;

/** This rank's part of a decision. `MAX_PARTS` records of `LOCAL_PART_WORDS` follow. */
export const LOCAL_WORDS = [
  'step',
  'staging',
  'tokens',
  'requests',
  'decodeRequests',
  'paddedTokens',
  'attentionRequests',
  'queryLen',
  'parts',
  'numLogits',
  'tableEdits',
  'maxSeqLen',
  'rows',
] as const;

/** One part on this rank: half-open ranges of its real requests and tokens in the whole batch, and its padded counts. */
export const LOCAL_PART_WORDS = [
  'requestBegin',
  'requestEnd',
  'tokenBegin',
  'tokenEnd',
  'paddedTokens',
  'attentionRequests',
  'tableRow',
  'numLogits',
] as const;

/** What an edit or a schedule was refused for: code, the row, the value that was wrong, the limit it broke, and whose: the KV cache group. */
export const ERROR_WORDS = ['code', 'row', 'value', 'limit', 'group'] as const;

/** Tensors every view (the whole batch, then each part) has in each staging set. */
export const TENSORS = [
  'inputIds',
  'positions',
  'slotMapping',
  'queryStartLoc',
  'seqLens',
  'tokenToRequest',
  'isPadding',
  'logitsIndices',
  'tokensPerRank',
  'localSeqLens',
  'tokensPerRankReal',
  'kvIndptr',
  'kvIndices',
  'kvLastPageLen',
] as const;
export type TensorName = (typeof TENSORS)[number];

/** Tensors that the device may fill itself: from tokens sampled there, which the host does not wait for. */
export const DEVICE_SUPPLIED = ['inputIds', 'positions', 'seqLens'] as const;
export type DeviceSupplied = (typeof DEVICE_SUPPLIED)[number];

/** Bytes of one entry: an i64 or an i32. */
export const TENSOR_BYTES: Readonly<Record<TensorName, 4 | 8>> = {
  inputIds: 4,
  positions: 8,
  slotMapping: 8,
  queryStartLoc: 4,
  seqLens: 4,
  tokenToRequest: 4,
  isPadding: 4,
  logitsIndices: 4,
  tokensPerRank: 4,
  localSeqLens: 4,
  tokensPerRankReal: 4,
  kvIndptr: 4,
  kvIndices: 4,
  kvLastPageLen: 4,
};

/**
 * Conventions of what padding holds, by the kernels that read it: all but slots (-1) and blocks (null block 0), which are the
 * same everywhere. `lockstep`: a padded request has no tokens. `sglang`, `flashinfer`, `trtllm`: it has one, in the null block, for
 * kernels that cannot take none.
 */
export const PADDING_RECORDS = {
  lockstep: { seqLens: 0 },
  sglang: { seqLens: 1 },
  flashinfer: { seqLens: 1 },
  trtllm: { seqLens: 1 },
} as const;
export type PaddingName = keyof typeof PADDING_RECORDS;

/**
 * What an entry of a tensor holds where the whole batch is padding, and a padded request has `paddedSeqLen` tokens, as its record
 * says. Of `kvIndptr` that is the first entry: each later one adds the blocks of a padded request.
 */
export function tensorPadding(name: TensorName, paddedSeqLen: number): number {
  switch (name) {
    case 'seqLens':
      return paddedSeqLen;
    case 'slotMapping':
    case 'tokenToRequest':
      return -1;
    case 'isPadding':
    case 'kvLastPageLen':
      return 1;
    default:
      return 0;
  }
}

/** Limits and sizes both modules read at `CONFIG_BASE`. The offsets of the regions follow, then those of the tensors. */
export const LIMIT_WORDS = [
  'rank',
  'ranks',
  'maxRequests',
  'maxPaddedRequests',
  'maxTokens',
  'maxPaddedTokens',
  'maxModelLen',
  'maxBlocks',
  'tableWidth',
  'blockSize',
  'kernelBlockSize',
  'contextParallelSize',
  'contextParallelRank',
  'interleaveSize',
  'numBlocks',
  'numKeys',
  'queryLen',
  'maxParts',
  'poisoned',
  'replicaSize',
  'appendLog',
  'blockListStride',
  'blockWriters',
  'checked',
  'paddedSeqLen',
  'maxKvIndices',
  'kvGroups',
] as const;

/** Regions after the configuration, in the order in which they lie in memory. */
export const REGIONS = [
  'policy',
  'keys',
  'queryLens',
  'dispatch',
  'votes',
  'ownVote',
  'decision',
  'previous',
  'local',
  'facts',
  'need',
  'candidates',
  'check',
  'error',
  'commands',
  'tableEdits',
  'state',
  'rows',
  'freeRows',
  'decodes',
  'prefills',
  'order',
  'inbox',
  'inboxCounts',
  'tokenPool',
  'blockLists',
  'blockCounts',
  'laneStarts',
  'laneLens',
  'laneBounds',
  'laneBases',
  'laneNextBases',
  'eventLanes',
  'eventStarts',
  'blockWriters',
  'blockHolders',
  'highWater',
  'stamps',
  'appendLog',
  'mirrorGenerations',
  'mirrorCounts',
  'mirrorCursors',
  'blockTable0',
  'blockTable1',
] as const;
export type RegionName = (typeof REGIONS)[number];

/** Copies of the block table that are brought up to date from their own cursors: two staging sets and the device's. */
export const MIRRORS = ['staging0', 'staging1', 'device'] as const;

/** How far a mirror is: the order its rows stand in, how many of them it holds, and the appends it has seen. */
export const CURSOR_WORDS = ['orderVersion', 'rows', 'appends'] as const;

/**
 * One append of blocks: to which request, its row of the table (if it has one), the column, and the block; 0 where it is more than one
 * kernel block.
 */
export const APPEND_WORDS = ['request', 'tableRow', 'column', 'block'] as const;

/** What the tensors of a staging set hold that does not change from one decode step to the next. */
export const STAMP_WORDS = ['queryLen', 'requests', 'attentionRequests', 'paddedTokens'] as const;

/** Null blocks after the last block of a request's list. */
export const BLOCK_LIST_TAIL = 16;

/** Most lists that the block entries of a steady run of decodes are kept in, by the step in which they are due. */
export const MAX_EVENT_BUCKETS = 64;

/** Words of one command, after the header of the command block. */
export const COMMAND_WORDS = ['op', 'a', 'b', 'c', 'd', 'e', 'f', 'g'] as const;

/** Words before the first command; the first holds the number of commands. */
export const COMMAND_HEADER_WORDS = 8;

/** Commands a block can hold: uploads of every tensor of every view and KV cache group, with room for events and graphs. */
export const MAX_COMMANDS = 256;

/** Named values, the same in all three languages. A name's value is its number. */
export const ENUMS = {
  CONTROL: { run: 0, leave: 1, fault: 2 },
  PHASE: { idle: 0, decode: 1, prefill: 2, mixed: 3 },
  MODE: { none: 0, piecewise: 1, full: 2 },
  RUN: { park: 0, eager: 1, piecewise: 2, full: 3 },
  GATHER: { none: 0, padded: 1, variable: 2, sum: 3 },
  REASON: {
    'all-idle': 0,
    graph: 1,
    'graph-ubatched': 2,
    'plain-twin': 3,
    'plain-only': 4,
    'no-key-for-phase': 5,
    'no-key-for-query-length': 6,
    'above-ladder': 7,
    'no-plain-twin': 8,
    vetoed: 9,
    'enforce-eager': 10,
    'no-key-for-variant': 11,
    leave: 12,
    'graph-mixed': 13,
    'graph-piecewise': 14,
    'above-padding-factor': 15,
    'rank-eager': 16,
    'empty-part': 17,
    'no-ubatched-key': 18,
  },
  VERDICT: {
    chosen: 0,
    larger: 1,
    variant: 2,
    'query-length': 3,
    tokens: 4,
    requests: 5,
    'prefill-requests': 6,
    phase: 7,
    'not-ubatched': 8,
    'ubatches-not-agreed': 9,
    'padding-factor': 10,
    mode: 11,
    'step-eager': 12,
    'full-preferred': 13,
  },
  GRAPH_AGREEMENT: { shape: 0, 'min-mode-padded': 1, 'min-mode': 2 },
  UBATCH_AGREEMENT: { 'busy-wish': 0, 'all-wish': 1, 'min-tokens': 2, 'any-minimum': 3, 'same-phase': 4 },
  LAST_PART: { run: 0, refuse: 1, eager: 2 },
  DECODE_MATCH: { padded: 0, uniform: 1 },
  MIXED_GRAPHS: { never: 0, 'one-rank': 1, agreed: 2 },
  MIXED_MATCH: { strict: 0, slots: 1, 'slot-count': 2 },
  EAGER_GATHER: { variable: 0, 'padded-decode': 1, 'max-or-sum': 2, 'own-padded': 3 },
  EAGER_PARTS: { maxima: 0, 'equal-shares': 1 },
  SPLIT: { 'token-share': 0, balanced: 1, 'token-midpoint': 2, 'padded-share': 3 },
  SHARED_BLOCKS: { 'layer-order': 0, veto: 1 },
  RESOURCE: { 'custom-all-gather': 1, 'side-stream': 2, communicator: 4 },
  ON_SHARED_RESOURCE: { serialize: 0, overlap: 1 },
  PART_SIZES: { agreed: 0, local: 1 },
  PREPARE: { decision: 0, local: 1 },
  CAPTURE_GUARD: { all: 0, none: 1 },
  VETO: { none: 0, 'embeddings-override': 1, 'shared-block': 2, 'cascade-attention': 3, 'encoder-output': 4, other: 5 },
  EMPTY_PART: { dummy: 0, plain: 1 },
  RESOLVE: { ok: 0, version: -1, step: -2, plan: -3, fault: -4, previous: -5, limits: -6, replica: -7 },
  EDIT: {
    ok: 0,
    'row-unknown': -1,
    'rows-full': -2,
    'block-invalid': -3,
    'blocks-full': -4,
    'tokens-full': -5,
    'position-beyond-blocks': -6,
    'scheduled-twice': -7,
    'query-length': -8,
    'model-length': -9,
    'row-scheduled': -10,
    'block-written-twice': -11,
    'block-shared': -12,
  },
  COMMAND: { none: 0, upload: 1, 'upload-rows': 2, graph: 3, record: 4, wait: 5, download: 6 },
} as const;

/** Word of `name` in one of the tables above. */
export function word<const T extends readonly string[]>(table: T, name: T[number]): number {
  return table.indexOf(name);
}

/** Names of an enum by value, for reading words back. */
export function nameOf<E extends keyof typeof ENUMS>(group: E, value: number): keyof (typeof ENUMS)[E] & string {
  for (const [name, number] of Object.entries(ENUMS[group])) {
    if (number === value) return name as keyof (typeof ENUMS)[E] & string;
  }
  throw new RangeError(`${group} has no value ${value}`);
}

/** Int32 words of one decision for `ranks` ranks. */
export function decisionWords(ranks: number): number {
  return DECISION_WORDS.length + MAX_PARTS * (PART_WORDS.length + ranks);
}

/** Word of a decision at which the record of `part` starts. */
export function decisionPart(part: number, ranks: number): number {
  return DECISION_WORDS.length + part * (PART_WORDS.length + ranks);
}

/** Views of a staging set: the whole batch, then each part. */
export const MAX_VIEWS: number = 1 + MAX_PARTS;
/** Word at `CONFIG_BASE` of the first region's offset. */
export const CONFIG_REGIONS: number = LIMIT_WORDS.length;
/** Word at `CONFIG_BASE` of the first tensor's offset: tensors of view v of set s start at `(s * MAX_VIEWS + v) * TENSORS.length`. */
export const CONFIG_TENSORS: number = CONFIG_REGIONS + REGIONS.length;
/** Word at `CONFIG_BASE` of the first KV cache group's sizes; `KV_GROUP_WORDS` from one group to the next. */
export const CONFIG_KV_GROUPS: number = CONFIG_TENSORS + 2 * MAX_VIEWS * TENSORS.length;
/** Word of a KV cache group at which the offsets of its regions start. */
export const KV_GROUP_OFFSETS: number = KV_GROUP_SIZES.length;
/** Word of a KV cache group of its first tensor's offset: tensors of view v of set s start at `(s * MAX_VIEWS + v) * KV_GROUP_TENSORS.length` after it. */
export const KV_GROUP_TENSOR_OFFSETS: number = KV_GROUP_OFFSETS + KV_GROUP_REGIONS.length;
/** Words of one KV cache group in the configuration. */
export const KV_GROUP_WORDS: number = KV_GROUP_TENSOR_OFFSETS + 2 * MAX_VIEWS * KV_GROUP_TENSORS.length;
/** Words of the whole configuration. */
export const CONFIG_WORDS: number = CONFIG_KV_GROUPS + MAX_KV_GROUPS * KV_GROUP_WORDS;
