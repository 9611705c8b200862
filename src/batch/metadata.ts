import {
  isViewTensor,
  KV_GROUP_TENSORS,
  type KvGroupTensorName,
  TENSOR_BYTES,
  TENSORS,
  type TensorName,
  VIEW_TENSORS,
} from '../layout/index.js';
import { type KvGroupSizes, type RegionTable, tensorLength } from '../memory/index.js';

/**
 * Tensors of the whole batch, or of one part, in one staging set. The arrays are views of the planner's memory at their
 * full capacity, made once; the step's `ForwardBatch` says how many entries it uses. Their contents are valid until this set
 * is used again, two steps later; `ForwardBatch.snapshot()` copies them.
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
  /** Tokens whose logits are needed: i32[numLogits]: all of a decode, the last of a prompt's final chunk. */
  readonly logitsIndices: Int32Array;
  /** Rows of tokens each rank moves in this view's collectives: i32[ranks]. */
  readonly tokensPerRank: Int32Array;
  /**
   * How many of each request's tokens this rank stores: i32[attentionRequests], 0 in padding. Empty without context
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

/** The tensors of a view that each KV cache group has of its own. Those of the first group are in the view too. */
export type KvGroupTensors = Pick<MetadataView, KvGroupTensorName>;

/** Counts that say how much of a view a step uses. */
export interface MetadataCounts {
  /** Entries of tensors that have one for each token. */
  readonly paddedTokens: number;
  /** Entries of tensors that have one for each request. */
  readonly attentionRequests: number;
  /** Entries of `logitsIndices`. */
  readonly numLogits: number;
}

/** One staging set: the whole batch, its parts, and the block table they share. */
export interface StagingSet {
  /** Tensors of the whole batch. */
  readonly whole: MetadataView;
  /** Tensors of each part, as many as a step may have. */
  readonly parts: readonly MetadataView[];
  /** The same with what the planner computed for tensors that the device supplies: what the others were derived from. */
  readonly written: {
    /** Tensors of the whole batch. */
    readonly whole: MetadataView;
    /** Tensors of each part. */
    readonly parts: readonly MetadataView[];
  };
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth], null block 0 in pad rows and in the tail of rows. */
  readonly blockTable: Int32Array;
  /** What each KV cache group has of its own; the first's are in the views above too. */
  readonly groups: readonly KvGroupStaging[];
}

/** What one KV cache group has of its own in a staging set. */
export interface KvGroupStaging {
  /** The group's tensors of the whole batch. */
  readonly whole: KvGroupTensors;
  /** The group's tensors of each part. */
  readonly parts: readonly KvGroupTensors[];
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth] of the group. */
  readonly blockTable: Int32Array;
}

/** The views of staging set `set`, over the planner's memory. */
export function stagingSet(buffer: ArrayBuffer, regions: RegionTable, set: number): StagingSet {
  const { sizes } = regions;
  const views = sizes.maxParts > 1 ? 1 + sizes.maxParts : 1;
  const array = (name: TensorName, offset: number, group: KvGroupSizes): Int32Array | BigInt64Array => {
    const Entries = TENSOR_BYTES[name] === 8 ? BigInt64Array : Int32Array;
    return new Entries(buffer, offset, tensorLength(name, sizes, group));
  };
  const groups = regions.groups.map((group): KvGroupStaging => {
    const [whole, ...parts] = Array.from({ length: views }, (_, view) =>
      record(KV_GROUP_TENSORS, (name) => array(name, group.tensor(set, view, name), group.sizes)),
    ) as unknown as KvGroupTensors[];
    const table = group.region(set === 0 ? 'blockTable0' : 'blockTable1');
    const blockTable = new Int32Array(buffer, table.offset, table.bytes / 4);
    return Object.freeze({ whole, parts: Object.freeze(parts), blockTable });
  });
  const viewsAt = (offsetOf: RegionTable['tensor']): Pick<StagingSet, 'whole' | 'parts'> => {
    const [whole, ...parts] = Array.from({ length: views }, (_, view) => {
      const ofGroup = view === 0 ? groups[0].whole : groups[0].parts[view - 1];
      return record(TENSORS, (name) =>
        isViewTensor(name) ? array(name, offsetOf(set, view, name), sizes.groups[0]) : ofGroup[name],
      );
    }) as unknown as MetadataView[];
    return Object.freeze({ whole, parts: Object.freeze(parts) });
  };
  const planned = viewsAt(regions.tensor);
  return Object.freeze({
    ...planned,
    written: regions.deviceSupplied.size > 0 ? viewsAt(regions.written) : planned,
    blockTable: groups[0].blockTable,
    groups: Object.freeze(groups),
  });
}

function record<N extends string, T>(names: readonly N[], of: (name: N) => T): Readonly<Record<N, T>> {
  return Object.freeze(Object.fromEntries(names.map((name) => [name, of(name)])) as Record<N, T>);
}

/** The entries of a view's tensor that a step uses; the planner must have that tensor. */
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

/** Detached copies of a view's tensors, each as long as the step needs, with those of the first KV cache group from its own copy. */
export function copyView(view: MetadataView, counts: MetadataCounts, ofGroup: KvGroupTensors): MetadataView {
  const shared = copyTensors(VIEW_TENSORS, view, counts);
  return record(TENSORS, (name) => (isViewTensor(name) ? shared[name] : ofGroup[name])) as unknown as MetadataView;
}

/** Detached copies of tensors of a view, each as long as the step needs: all that the view has, or those that are named. */
export function copyTensors<N extends TensorName>(
  names: readonly N[],
  view: Pick<MetadataView, N>,
  counts: MetadataCounts,
): Pick<MetadataView, N> {
  return record(names, (name) => view[name].slice(0, stepLength(name, counts, view))) as unknown as Pick<
    MetadataView,
    N
  >;
}
