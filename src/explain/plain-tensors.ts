import {
  copyTensors,
  type ForwardBatch,
  type KvGroupMetadata,
  type KvGroupTensors,
  type MetadataCounts,
  type MetadataView,
} from '../batch/index.js';
import { KV_GROUP_TENSORS, type KvGroupTensorName, TENSORS, type TensorName } from '../layout/index.js';

/** A 64-bit value as JSON holds it: a string only where a number would lose digits. */
export type PlainInteger = number | string;

/** Tensors of the whole batch or of one part, each as long as the step needs. */
export type PlainView = Readonly<Record<TensorName, readonly PlainInteger[]>>;

/** A rank's tensors of one step, as plain JSON. */
export interface PlainTensors {
  readonly whole: PlainView;
  /** Empty unless the step is cut. */
  readonly parts: readonly PlainView[];
  /** Kernel blocks of each request: [attentionRequests][columns in use]; a part's rows start at its `tableRow`. */
  readonly blockTable: readonly (readonly number[])[];
  /** Columns the table has in memory; those past the ones in use hold the null block 0. */
  readonly tableWidth: number;
  /** What each KV cache group has of its own, where there are several. */
  readonly groups?: readonly PlainKvGroup[];
}

/** What one KV cache group has of its own in a step, as plain JSON. */
export interface PlainKvGroup extends Pick<PlainTensors, 'blockTable' | 'tableWidth'> {
  readonly whole: PlainGroupView;
  /** Empty unless the step is cut. */
  readonly parts: readonly PlainGroupView[];
}

/** What one KV cache group has of its own in a view. */
export type PlainGroupView = Pick<PlainView, KvGroupTensorName>;

/** A step's tensors by value; empty ones where no step runs. */
export function plainTensors(local: ForwardBatch): PlainTensors {
  const { tableWidth, partCount } = local;
  if (partCount === 0) return { whole: emptyView(), parts: [], blockTable: [], tableWidth };
  const cut = partCount > 1 ? Array.from({ length: partCount }, (_, part) => part) : [];
  return {
    whole: plainView(local.tensors, local),
    parts: cut.map((part) => plainView(local.partTensors[part], local.part(part))),
    blockTable: usedColumns(local.blockTable, local.attentionRequests, tableWidth),
    tableWidth,
    ...(local.groups.length > 1 && { groups: local.groups.map((group) => plainGroup(group, local)) }),
  };
}

function plainGroup(group: KvGroupMetadata, local: ForwardBatch): PlainKvGroup {
  const cut = local.partCount > 1 ? Array.from({ length: local.partCount }, (_, part) => local.part(part)) : [];
  const { tensors, partTensors, blockTable, tableWidth } = group.snapshot(local, cut);
  return {
    whole: plainGroupView(tensors),
    parts: partTensors.map(plainGroupView),
    blockTable: usedColumns(blockTable, local.attentionRequests, tableWidth),
    tableWidth,
  };
}

function plainGroupView(view: KvGroupTensors): PlainGroupView {
  return Object.fromEntries(
    KV_GROUP_TENSORS.map((name) => [name, Array.from(view[name] as ArrayLike<number | bigint>, plainInteger)]),
  ) as unknown as PlainGroupView;
}

function plainView(view: MetadataView, counts: MetadataCounts): PlainView {
  const copies = copyTensors(TENSORS, view, counts);
  return Object.fromEntries(
    TENSORS.map((name) => [name, Array.from(copies[name] as ArrayLike<number | bigint>, plainInteger)]),
  ) as unknown as PlainView;
}

function emptyView(): PlainView {
  return Object.fromEntries(TENSORS.map((name) => [name, []])) as unknown as PlainView;
}

function plainInteger(value: number | bigint): PlainInteger {
  if (typeof value === 'number') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** The first `rows` rows, up to the last column in which any of them holds a block. */
function usedColumns(table: Int32Array, rows: number, width: number): number[][] {
  let used = 0;
  for (let row = 0; row < rows; row++) {
    const blocks = table.subarray(row * width, (row + 1) * width);
    used = Math.max(used, blocks.findLastIndex((block) => block !== 0) + 1);
  }
  return Array.from({ length: rows }, (_, row) => [...table.subarray(row * width, row * width + used)]);
}
