import { kvGroupsOf, type Limits } from '../config.js';
import {
  APPEND_WORDS,
  BLOCK_LIST_TAIL,
  CURSOR_WORDS,
  EVENT_ROOM,
  KV_GROUP_OFFSETS,
  KV_GROUP_REGIONS,
  KV_GROUP_SIZES,
  KV_GROUP_STATE_WORDS,
  KV_GROUP_TENSOR_OFFSETS,
  KV_GROUP_TENSORS,
  KV_GROUP_WORDS,
  type KvGroupRegionName,
  type KvGroupTensorName,
  MAX_EVENT_BUCKETS,
  MAX_VIEWS,
  MIRRORS,
} from '../layout/index.js';
import type { Region } from './region.js';

/** The sizes of a KV cache group's arrays, and what its slots are computed from. */
export interface KvGroupSizes {
  /** Its place among the groups, from 0. */
  readonly index: number;
  /** Tokens of a block, as the scheduler counts them. */
  readonly blockSize: number;
  /** Tokens of a block, as kernels address them; divides `blockSize`. */
  readonly kernelBlockSize: number;
  /** Blocks of the pool, the null block 0 included. */
  readonly numBlocks: number;
  /** Tokens that a query sees, itself included; 0 where it sees all. */
  readonly window: number;
  /** Most blocks of a request. */
  readonly maxBlocks: number;
  /** Columns of the block table: kernel blocks. */
  readonly tableWidth: number;
  /** Words from one request's block list to the next. */
  readonly blockListStride: number;
  /**
   * Most entries of `kvIndices`: the blocks of as many of the longest requests as run at once, and one a padded request. 0 if it is
   * not planned.
   */
  readonly maxKvIndices: number;
}

/** The offsets of a KV cache group's own arrays. */
export interface KvGroupRegions {
  readonly sizes: KvGroupSizes;
  /** One of its regions. */
  region(name: KvGroupRegionName): Region;
  /** Offset of one of its tensors in a view (0 whole, 1 + p part p) of a staging set; 0 where there is no such view. */
  tensor(set: number, view: number, name: KvGroupTensorName): number;
}

/** Counts that the sizes of all groups have in common. */
export interface SharedSizes {
  readonly maxPaddedRequests: number;
  readonly csr: boolean;
}

/** Sizes of each group's arrays. */
export function kvGroupSizes(limits: Limits, { maxPaddedRequests, csr }: SharedSizes): readonly KvGroupSizes[] {
  return kvGroupsOf(limits).map(({ blockSize, kernelBlockSize, numBlocks, window }, index) => {
    const maxBlocks = Math.ceil(limits.maxModelLen / (blockSize * limits.contextParallelSize));
    const tableWidth = maxBlocks * (blockSize / kernelBlockSize);
    return {
      index,
      blockSize,
      kernelBlockSize,
      numBlocks,
      window,
      maxBlocks,
      tableWidth,
      // The tail also keeps lists from being a power of two apart, where they would share a few cache lines.
      blockListStride: maxBlocks + BLOCK_LIST_TAIL,
      maxKvIndices: csr ? limits.maxNumSeqs * tableWidth + maxPaddedRequests - limits.maxNumSeqs : 0,
    };
  });
}

/** Words of each region that a group has of its own. */
export function kvGroupRegionWords(
  { tableWidth, blockListStride, numBlocks }: KvGroupSizes,
  { maxNumSeqs, maxPaddedRequests, appendLog, checked }: KvGroupCounts,
): Record<KvGroupRegionName, number> {
  return {
    groupState: KV_GROUP_STATE_WORDS.length,
    blockLists: maxNumSeqs * blockListStride,
    blockCounts: maxNumSeqs,
    laneBounds: maxNumSeqs,
    laneBases: 2 * maxNumSeqs,
    laneNextBases: 2 * maxNumSeqs,
    eventLanes: 2 * maxNumSeqs + MAX_EVENT_BUCKETS * EVENT_ROOM,
    eventPlaces: maxNumSeqs,
    eventStarts: MAX_EVENT_BUCKETS + 1,
    eventCounts: MAX_EVENT_BUCKETS,
    blockHolders: checked ? numBlocks : 0,
    highWater: 2 * MAX_VIEWS,
    appendLog: appendLog * APPEND_WORDS.length,
    mirrorGenerations: MIRRORS.length * maxPaddedRequests,
    mirrorCounts: MIRRORS.length * maxPaddedRequests,
    mirrorCursors: MIRRORS.length * CURSOR_WORDS.length,
    tableEdits: 4 * maxPaddedRequests,
    blockTable0: maxPaddedRequests * tableWidth,
    blockTable1: maxPaddedRequests * tableWidth,
  };
}

/** Counts of the planner that also determine the sizes of a group's regions. */
export interface KvGroupCounts {
  readonly maxNumSeqs: number;
  readonly maxPaddedRequests: number;
  readonly appendLog: number;
  readonly checked: boolean;
}

/** A group whose memory is being laid out. */
export interface KvGroupLaying {
  readonly regions: KvGroupRegions;
  /** Allocates its tensors in a view of a staging set. */
  layTensors(set: number, view: number): void;
  /** Allocates the block table of a staging set. */
  layTable(set: number): void;
}

const BLOCK_TABLES = ['blockTable0', 'blockTable1'] as const;

/** Allocates memory for what a group has beside its staging sets; `words` are those of its regions. */
export function layKvGroup(
  sizes: KvGroupSizes,
  words: Record<KvGroupRegionName, number>,
  tensorBytes: (name: KvGroupTensorName) => number,
  take: (name: string, bytes: number) => Region,
): KvGroupLaying {
  const place = `group ${sizes.index}`;
  const regions = new Map<KvGroupRegionName, Region>();
  const lay = (name: KvGroupRegionName): void => {
    regions.set(name, take(`${place} ${name}`, words[name] * 4));
  };
  const tables: readonly KvGroupRegionName[] = BLOCK_TABLES;
  for (const name of KV_GROUP_REGIONS) if (!tables.includes(name)) lay(name);
  const tensors = new Map<string, number>();
  return {
    regions: {
      sizes,
      region: (name) => {
        const found = regions.get(name);
        if (found === undefined) throw new RangeError(`no region ${name}`);
        return found;
      },
      tensor: (set, view, name) => tensors.get(`${set} ${view} ${name}`) ?? 0,
    },
    layTensors: (set, view) => {
      for (const name of KV_GROUP_TENSORS) {
        const { offset } = take(`${place} set ${set} view ${view} ${name}`, tensorBytes(name));
        tensors.set(`${set} ${view} ${name}`, offset);
      }
    },
    layTable: (set) => lay(BLOCK_TABLES[set]),
  };
}

/** A group's words in the configuration. */
export function kvGroupWords({ sizes, region, tensor }: KvGroupRegions): Int32Array {
  const words = new Int32Array(KV_GROUP_WORDS);
  for (const [index, name] of KV_GROUP_SIZES.entries()) words[index] = sizes[name];
  for (const [index, name] of KV_GROUP_REGIONS.entries()) words[KV_GROUP_OFFSETS + index] = region(name).offset;
  for (let set = 0; set < 2; set++) {
    for (let view = 0; view < MAX_VIEWS; view++) {
      const at = KV_GROUP_TENSOR_OFFSETS + (set * MAX_VIEWS + view) * KV_GROUP_TENSORS.length;
      for (const [index, name] of KV_GROUP_TENSORS.entries()) words[at + index] = tensor(set, view, name);
    }
  }
  return words;
}
