import type { RegionName, TensorName, ViewTensorName } from '../layout/index.js';
import type { KvGroupRegions } from './kv-group-regions.js';
import type { Region } from './region.js';
import type { Sizes } from './sizes.js';

/**
 * What devices copy of a staging set: its tensors and block tables, which lie together and in the same places in both sets, so
 * that one buffer of a device, laid out the same, serves both.
 */
export interface MirrorRegions {
  /** Bytes of one set. */
  readonly bytes: number;
  /** Where each set begins. */
  readonly sets: readonly [number, number];
  /** For each set, room for a range of its bytes for each of its tensors, int32[4] each. */
  readonly ranges: readonly [Region, Region];
}

/** All offsets in memory, computed once from limits, plan and policy. */
export interface RegionTable {
  readonly sizes: Sizes;
  readonly pages: number;
  readonly regions: ReadonlyMap<RegionName, Region>;
  /** The region of that name. Throws a RangeError for an unknown name. */
  region(name: RegionName): Region;
  /** Offset of a tensor of a view (0 whole, 1 + p part p) of a staging set; 0 where there is no such view. */
  tensor(set: number, view: number, name: ViewTensorName): number;
  /** The same for what the kernels write: for a tensor that the device supplies, a copy that other tensors are derived from. */
  written(set: number, view: number, name: ViewTensorName): number;
  /** What devices copy of a staging set. */
  readonly mirror: MirrorRegions;
  /** Each KV cache group's own arrays. */
  readonly groups: readonly KvGroupRegions[];
  /** Tensors that have memory and are not filled. */
  readonly deviceSupplied: ReadonlySet<TensorName>;
  /** Every region in memory order, the fixed ones included. */
  readonly all: readonly Region[];
  /** The words at `CONFIG_BASE`. */
  readonly config: Int32Array;
}
