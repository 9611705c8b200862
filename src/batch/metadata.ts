import { KV_GROUP_TENSORS, type KvGroupTensorName, TENSOR_BYTES, TENSORS, type TensorName } from '../layout/index.js';
import { type RegionTable, type Sizes, tensorLength } from '../memory/index.js';

/**
 * Tensors of the whole batch, or of one part, in one staging set. The arrays are views of the planner's memory at their
 * full capacity, made once; how many entries are a step's is said by its `LocalPlan`. What they hold is valid until this
 * set's next turn, two steps later; `LocalPlan.snapshot()` detaches it.
 */
export interface MetadataView {
  /** Token ids: i32[paddedTokens], 0 where padded. */
  readonly inputIds: Int32Array;
  /** Position of each token in its request: i64[paddedTokens], 0 where padded. */
  readonly positions: BigInt64Array;
  /** Slot of each token in the KV cache: i64[paddedTokens], -1 where padded and everywhere beyond. Source: vLLM compute_slot_mapping. */
  readonly slotMapping: BigInt64Array;
  /** First token of each request: i32[attentionRequests + 1]; the last real value in padding. */
  readonly queryStartLoc: Int32Array;
  /** Tokens of each request after this step: i32[attentionRequests]; in padding 0, or what the padding record says. */
  readonly seqLens: Int32Array;
  /** Request of each token, counted within this view: i32[paddedTokens], -1 where padded. */
  readonly tokenToRequest: Int32Array;
  /** 1 where a token is padding: i32[paddedTokens]. */
  readonly isPadding: Int32Array;
  /** Tokens whose logits are wanted: i32[numLogits]: all of a decode, the last of a prompt's final chunk. */
  readonly logitsIndices: Int32Array;
  /** Rows of tokens each rank moves in this view's collectives: i32[ranks]. */
  readonly tokensPerRank: Int32Array;
  /**
   * Of each request's tokens, those that this rank stores: i32[attentionRequests], 0 in padding. Empty without context
   * parallelism, where they are all. Source: vLLM get_dcp_local_seq_lens.
   */
  readonly localSeqLens: Int32Array;
  /**
   * Tokens each rank has before the padding at the end: i32[ranks], at most `tokensPerRank`. In a decode graph they are whole
   * windows, a short draft's padding included, as in `LocalPart.tokens`.
   */
  readonly tokensPerRankReal: Int32Array;
  /**
   * First entry of each request in `kvIndices`: i32[attentionRequests + 1]. A padded request has no entry, or one where the padding
   * record gives it a token. Empty, as are the next two, unless `createPlanner` was given `tensors: { csr: true }`.
   * Source: FlashInfer BatchDecodeWithPagedKVCacheWrapper.plan.
   */
  readonly kvIndptr: Int32Array;
  /**
   * Kernel blocks that hold each request's tokens of `seqLens` (`localSeqLens` with context parallelism), one request after the
   * other: i32[kvIndptr[attentionRequests]]. Blocks that are allocated and still empty are left out; the null block 0 in padding.
   */
  readonly kvIndices: Int32Array;
  /** Tokens in each request's last kernel block: i32[attentionRequests], 1 in padding and where this rank stores none. */
  readonly kvLastPageLen: Int32Array;
}

/** What of a view each KV cache group has of its own. The first group's are the view's. */
export type KvGroupTensors = Pick<MetadataView, KvGroupTensorName>;

/** Counts that say how much of a view is a step's. */
export interface MetadataCounts {
  readonly paddedTokens: number;
  readonly attentionRequests: number;
  readonly numLogits: number;
}

/** One staging set: the whole batch, its parts, and the block table they share. */
export interface StagingSet {
  readonly whole: MetadataView;
  readonly parts: readonly MetadataView[];
  /** The same with what the planner computed for tensors that the device supplies: what the others were derived from. */
  readonly written: { readonly whole: MetadataView; readonly parts: readonly MetadataView[] };
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth], null block 0 in pad rows and in the tail of rows. */
  readonly blockTable: Int32Array;
  /** What each KV cache group has of its own; the first has the arrays above. */
  readonly groups: readonly KvGroupStaging[];
}

/** What one KV cache group has of its own in a staging set. */
export interface KvGroupStaging {
  readonly whole: KvGroupTensors;
  readonly parts: readonly KvGroupTensors[];
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth] of the group. */
  readonly blockTable: Int32Array;
}

/** The views of staging set `set`, over the planner's memory. */
export function stagingSet(buffer: ArrayBuffer, regions: RegionTable, set: number): StagingSet {
  const view = (index: number, offsetOf: RegionTable['tensor']): MetadataView => {
    const tensors: Record<string, Int32Array | BigInt64Array> = {};
    for (const name of TENSORS) {
      const offset = offsetOf(set, index, name);
      const length = tensorLength(name, regions.sizes);
      const Entries = TENSOR_BYTES[name] === 8 ? BigInt64Array : Int32Array;
      tensors[name] = new Entries(buffer, offset, length);
    }
    return Object.freeze(tensors) as unknown as MetadataView;
  };
  const table = regions.region(set === 0 ? 'blockTable0' : 'blockTable1');
  const { maxParts } = regions.sizes;
  const views = (offsetOf: RegionTable['tensor']): Pick<StagingSet, 'whole' | 'parts'> =>
    Object.freeze({
      whole: view(0, offsetOf),
      parts: Object.freeze(maxParts > 1 ? Array.from({ length: maxParts }, (_, part) => view(1 + part, offsetOf)) : []),
    });
  const planned = views(regions.tensor);
  const blockTable = new Int32Array(buffer, table.offset, table.bytes / 4);
  const groups = regions.groups.map((group, index): KvGroupStaging => {
    if (index === 0) return Object.freeze({ whole: planned.whole, parts: planned.parts, blockTable });
    const own = { ...regions.sizes, maxKvIndices: group.sizes.maxKvIndices };
    const [whole, ...parts] = Array.from({ length: 1 + planned.parts.length }, (_, at) =>
      groupView(buffer, own, (name) => group.tensor(set, at, name)),
    );
    const offset = group.region(set === 0 ? 'blockTable0' : 'blockTable1');
    const entries = own.maxPaddedRequests * group.sizes.tableWidth;
    return Object.freeze({ whole, parts: Object.freeze(parts), blockTable: new Int32Array(buffer, offset, entries) });
  });
  return Object.freeze({
    ...planned,
    written: regions.deviceSupplied.size > 0 ? views(regions.written) : planned,
    blockTable,
    groups: Object.freeze(groups),
  });
}

function groupView(buffer: ArrayBuffer, sizes: Sizes, offsetOf: (name: KvGroupTensorName) => number): KvGroupTensors {
  const tensors = KV_GROUP_TENSORS.map((name) => {
    const Entries = TENSOR_BYTES[name] === 8 ? BigInt64Array : Int32Array;
    return [name, new Entries(buffer, offsetOf(name), tensorLength(name, sizes))] as const;
  });
  return Object.freeze(Object.fromEntries(tensors)) as unknown as KvGroupTensors;
}

/** Entries of a view's tensor that belong to a step, of a tensor that this planner has. */
export function stepLength(name: TensorName, counts: MetadataCounts, view: Partial<MetadataView>): number {
  switch (name) {
    case 'queryStartLoc':
    case 'kvIndptr':
      return counts.attentionRequests + 1;
    case 'seqLens':
    case 'localSeqLens':
    case 'kvLastPageLen':
      return counts.attentionRequests;
    case 'logitsIndices':
      return counts.numLogits;
    case 'kvIndices':
      return view.kvIndptr?.[counts.attentionRequests] ?? 0;
    case 'tokensPerRank':
    case 'tokensPerRankReal':
      return view[name]?.length ?? 0;
    default:
      return counts.paddedTokens;
  }
}

/** Detached copies of a view's tensors, each as long as the step needs. */
export function copyView(view: MetadataView, counts: MetadataCounts): MetadataView {
  return copyTensors(TENSORS, view, counts);
}

/** The same of what a KV cache group has of its own in a view. */
export function copyGroupView(view: KvGroupTensors, counts: MetadataCounts): KvGroupTensors {
  return copyTensors(KV_GROUP_TENSORS, view, counts);
}

function copyTensors<N extends TensorName>(
  names: readonly N[],
  view: Pick<MetadataView, N>,
  counts: MetadataCounts,
): Pick<MetadataView, N> {
  const copies: Record<string, Int32Array | BigInt64Array> = {};
  for (const name of names) copies[name] = view[name].slice(0, stepLength(name, counts, view));
  return Object.freeze(copies) as unknown as Pick<MetadataView, N>;
}
