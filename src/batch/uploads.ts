import { KV_GROUP_TENSORS, TENSOR_BYTES, type TensorName, VIEW_TENSORS } from '../layout/index.js';
import type { RegionTable } from '../memory/index.js';
import type { ForwardBatch } from './forward-batch.js';
import { type MetadataView, type StagingSet, stepLength } from './metadata.js';

/** A tensor of a staging set, at the same place in both sets and in a device's copy of them. */
export interface TensorUpload {
  readonly name: TensorName;
  /** KV cache group whose tensor it is; null for one that all groups share. */
  readonly group: number | null;
  /** 0 for the whole batch, 1 + p for its part p. */
  readonly view: number;
  /** Where it begins in the set, in bytes. */
  readonly offset: number;
  /** Bytes that the step built into this set uses: 0 for a part that the step is not cut into. */
  bytes(local: ForwardBatch): number;
}

/** A KV cache group's block table in a staging set, of which a device keeps a copy by edits. */
export interface TableUpload {
  readonly group: number;
  /** The table's offset in the planner's memory, in bytes. */
  readonly source: number;
  /** The offset of its edits in the planner's memory, int32[4] each; the group's `tableEdits` counts them. */
  readonly edits: number;
}

/** Everything that a device copies of a step in one staging set. */
export interface Uploads {
  /** Where the set begins in the planner's memory, in bytes. */
  readonly source: number;
  /** Where ranges of the set are listed for a device, int32[4] each, with room for one a tensor: their offset, and their words. */
  readonly ranges: { readonly offset: number; readonly words: Int32Array };
  /** Tensors this planner has, view by view. */
  readonly tensors: readonly TensorUpload[];
  /** One a KV cache group. */
  readonly tables: readonly TableUpload[];
}

/** What a device copies of steps built into staging set `set`, whose arrays are `staged`. */
export function uploadsOf(regions: RegionTable, staged: StagingSet, set: 0 | 1): Uploads {
  const source = regions.mirror.sets[set];
  const list = regions.mirror.ranges[set];
  const views = [staged.whole, ...staged.parts];
  const tensors = views.flatMap((from, view) => [
    ...VIEW_TENSORS.map((name) => upload(name, null, view, regions.tensor(set, view, name) - source, from)),
    ...regions.groups.flatMap((group, index) => {
      const own = view === 0 ? staged.groups[index].whole : staged.groups[index].parts[view - 1];
      return KV_GROUP_TENSORS.map((name) => upload(name, index, view, group.tensor(set, view, name) - source, own));
    }),
  ]);
  const tables = regions.groups.map((group, index): TableUpload => {
    const table = group.region(set === 0 ? 'blockTable0' : 'blockTable1');
    return Object.freeze({ group: index, source: table.offset, edits: group.region('tableEdits').offset });
  });
  return Object.freeze({
    source,
    ranges: Object.freeze({
      offset: list.offset,
      words: new Int32Array(staged.blockTable.buffer, list.offset, list.bytes / 4),
    }),
    tensors: Object.freeze(tensors.filter((tensor) => tensor !== null)),
    tables: Object.freeze(tables),
  });
}

/** Null for a tensor that this planner does not have. */
function upload<N extends TensorName>(
  name: N,
  group: number | null,
  view: number,
  offset: number,
  from: Pick<MetadataView, N>,
): TensorUpload | null {
  if (from[name].length === 0) return null;
  const bytes = (local: ForwardBatch): number => {
    if (view > 0 && (local.partCount < 2 || view > local.partCount)) return 0;
    return stepLength(name, view === 0 ? local : local.part(view - 1), from) * TENSOR_BYTES[name];
  };
  return Object.freeze({ name, group, view, offset, bytes });
}
