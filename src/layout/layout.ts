/**
 * The only declaration, with the files it exports, of what the planner's modules share in linear memory: the words of votes,
 * decisions, policies, capture keys and forward batches, the regions that hold them, and the command block that the addon reads.
 * `scripts/write-layout.mjs` writes `asc/layout.ts` and `wasm/layout.h` from it. Every word is an int32.
 */

import { MAX_KV_GROUPS } from '../config.js';
import { KV_GROUP_REGIONS, KV_GROUP_SIZES, KV_GROUP_TENSORS } from './kv-group-layout.js';
import { MAX_PARTS } from './rules-layout.js';
import { VIEW_TENSORS } from './tensor-layout.js';

export * from './batch-layout.js';
export * from './enums.js';
export * from './kv-group-layout.js';
export * from './rules-layout.js';
export * from './tensor-layout.js';
export * from './vote-ranges.js';
export { MAX_KV_GROUPS };

/** Where the region table starts: after the reserved page, the AssemblyScript statics and the C++ statics and stack. */
export const CONFIG_BASE = 262144;

/** Limits and sizes both modules read at `CONFIG_BASE`. The offsets of the regions follow, then those of the tensors. */
export const LIMIT_WORDS = [
  'rank',
  'ranks',
  'maxRequests',
  'maxPaddedRequests',
  'maxTokens',
  'maxPaddedTokens',
  'maxModelLen',
  'contextParallelSize',
  'contextParallelRank',
  'interleaveSize',
  'numKeys',
  'queryLen',
  'maxParts',
  'poisoned',
  'replicaSize',
  'appendLog',
  'blockWriters',
  'checked',
  'paddedSeqLen',
  'kvGroups',
] as const;

/** Regions after the configuration, in the order in which they lie in memory; those of KV cache groups are `KV_GROUP_REGIONS`. */
export const REGIONS = [
  'policy',
  'keys',
  'queryLens',
  'dispatch',
  'keyOrder',
  'votes',
  'ownVote',
  'voteRanges',
  'decision',
  'previous',
  'local',
  'facts',
  'reduction',
  'ownReduction',
  'ownGraph',
  'candidates',
  'check',
  'error',
  'commands',
  'state',
  'rows',
  'freeRows',
  'decodes',
  'idDecodes',
  'freedLanes',
  'changedLanes',
  'prefills',
  'order',
  'orderGenerations',
  'orderLog',
  'inbox',
  'inboxCounts',
  'tokenPool',
  'laneStarts',
  'laneLens',
  'laneSteps',
  'blockWriters',
  'stamps',
] as const;
export type RegionName = (typeof REGIONS)[number];

/** Words of one command, after the header of the command block. */
export const COMMAND_WORDS = ['op', 'a', 'b', 'c', 'd', 'e', 'f', 'g'] as const;

/** Words before the first command; the first holds the number of commands. */
export const COMMAND_HEADER_WORDS = 8;

/** Commands a block can hold: uploads of every tensor of every view and KV cache group, with room for events and graphs. */
export const MAX_COMMANDS = 256;

/** Word of `name` in one of the tables. */
export function word<const T extends readonly string[]>(table: T, name: T[number]): number {
  return table.indexOf(name);
}

/** The word of every name in one of the tables. */
export function indexOf<const T extends string>(table: readonly T[]): Readonly<Record<T, number>> {
  return Object.fromEntries(table.map((name, index) => [name, index])) as Record<T, number>;
}

/** The words of `row` by their names in one of the tables. */
export function recordOf<const T extends string>(table: readonly T[], row: ArrayLike<number>): Record<T, number> {
  return Object.fromEntries(table.map((name, index) => [name, row[index]])) as Record<T, number>;
}

/** Staging set that a step is built into: they alternate. */
export function stagingOf(step: number): 0 | 1 {
  return (step & 1) as 0 | 1;
}

/** Views of a staging set: the whole batch, then each part. */
export const MAX_VIEWS: number = 1 + MAX_PARTS;
/** Word at `CONFIG_BASE` of the first region's offset. */
export const CONFIG_REGIONS: number = LIMIT_WORDS.length;
/** Word at `CONFIG_BASE` of the first tensor's offset: tensors of view v of set s start at `(s * MAX_VIEWS + v) * VIEW_TENSORS.length`. */
export const CONFIG_TENSORS: number = CONFIG_REGIONS + REGIONS.length;
/** Word at `CONFIG_BASE` of the first KV cache group's sizes; `KV_GROUP_WORDS` from one group to the next. */
export const CONFIG_KV_GROUPS: number = CONFIG_TENSORS + 2 * MAX_VIEWS * VIEW_TENSORS.length;
/** Word of a KV cache group at which the offsets of its regions start. */
export const KV_GROUP_OFFSETS: number = KV_GROUP_SIZES.length;
/**
 * Word of a KV cache group of its first tensor's offset: tensors of view v of set s start at
 * `(s * MAX_VIEWS + v) * KV_GROUP_TENSORS.length` after it.
 */
export const KV_GROUP_TENSOR_OFFSETS: number = KV_GROUP_OFFSETS + KV_GROUP_REGIONS.length;
/** Words of one KV cache group in the configuration. */
export const KV_GROUP_WORDS: number = KV_GROUP_TENSOR_OFFSETS + 2 * MAX_VIEWS * KV_GROUP_TENSORS.length;
/** Words of the whole configuration. */
export const CONFIG_WORDS: number = CONFIG_KV_GROUPS + MAX_KV_GROUPS * KV_GROUP_WORDS;
