import type { ForwardBatch, KvGroupMetadata, MetadataView, StepPlanner } from '../../dist/entry/planner.js';
import { CONFIG_BASE, CONFIG_WORDS } from '../../dist/layout/layout.js';
import { devicePort } from '../../dist/planner/index.js';
import type { PlainStep, PlainTensors } from '../oracles/metadata-oracle.js';

/** What a poisoned memory is filled with, its slack included. */
const POISON = 0xa5;

/**
 * The first entry in which a step's forward batch differs from the plain one, or undefined: every tensor of the whole batch
 * and of each part, padding included; the block table's rows; and slots, which are -1 to the end of their capacity.
 */
export function differenceFromPlain(local: ForwardBatch, plain: PlainStep): string | undefined {
  const counts = ['paddedTokens', 'attentionRequests', 'queryLen'] as const;
  for (const name of counts) if (local[name] !== plain[name]) return `${name} is ${local[name]}, not ${plain[name]}`;
  if (local.partCount !== plain.parts.length) return `${local.partCount} parts, not ${plain.parts.length}`;
  if (local.numLogits !== plain.tensors.logitsIndices.length) return `numLogits is ${local.numLogits}`;
  const rows = local.blockTable.subarray(0, plain.attentionRequests * local.tableWidth);
  const whole =
    differenceOf('whole', local.writtenTensors, plain.tensors) ?? firstDifference('blockTable', rows, plain.blockTable);
  if (whole !== undefined) return whole;
  for (const [index, part] of plain.parts.entries()) {
    const found = JSON.stringify(local.part(index));
    const expected = { requests: part.requests, tokens: part.tokens };
    const { paddedTokens, attentionRequests, tableRow, numLogits } = part;
    const wanted = JSON.stringify({ ...expected, paddedTokens, attentionRequests, tableRow, numLogits });
    if (found !== wanted) return `parts[${index}] is ${found}, not ${wanted}`;
  }
  for (const [index, part] of plain.partTensors.entries()) {
    const difference = differenceOf(`parts[${index}]`, local.writtenPartTensors[index], part);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

/** The first entry of a KV cache group's own arrays that is not what a planner of that group alone would have; or undefined. */
export function groupDifference(group: KvGroupMetadata, plain: PlainStep): string | undefined {
  const name = `groups[${group.sizes.index}]`;
  const rows = group.blockTable.subarray(0, plain.attentionRequests * group.tableWidth);
  const table = firstDifference(`${name}.blockTable`, rows, plain.blockTable);
  if (table !== undefined) return table;
  const views = [plain.tensors, ...plain.partTensors].map((expected, view) => {
    const own = view === 0 ? group.tensors : group.partTensors[view - 1];
    const { slotMapping, kvIndptr, kvIndices, kvLastPageLen } = expected;
    return differenceOf(`${name} view ${view}`, own, { slotMapping, kvIndptr, kvIndices, kvLastPageLen });
  });
  return views.find((difference) => difference !== undefined);
}

/** A tensor for the device to supply that does not hold what the memory started with, to its very end; or undefined. */
export function filledForDevice(planner: StepPlanner): string | undefined {
  const { local } = planner;
  const { regions, arena } = devicePort(planner);
  const poison = arena[CONFIG_BASE + 4 * CONFIG_WORDS] === POISON ? POISON : 0;
  for (const view of [local.tensors, ...local.partTensors]) {
    for (const name of regions.deviceSupplied) {
      const bytes = new Uint8Array(view[name].buffer, view[name].byteOffset, view[name].byteLength);
      if (bytes.some((byte) => byte !== poison)) return `${name} was written; the device supplies it`;
    }
  }
  return undefined;
}

function differenceOf<N extends 'slotMapping' | keyof PlainTensors>(
  name: string,
  view: Pick<MetadataView, N | 'slotMapping'>,
  plain: Pick<PlainTensors, N | 'slotMapping'>,
): string | undefined {
  for (const [tensor, expected] of Object.entries(plain) as [N, (number | bigint)[]][]) {
    const entries = tensor === 'positions' ? expected.map(BigInt) : expected;
    const difference = firstDifference(`${name}.${tensor}`, view[tensor], entries);
    if (difference !== undefined) return difference;
  }
  const beyond = view.slotMapping.subarray(plain.slotMapping.length).findIndex((slot) => slot !== -1n);
  return beyond < 0
    ? undefined
    : `${name}.slotMapping[${plain.slotMapping.length + beyond}] is not -1, beyond the step`;
}

function firstDifference(
  name: string,
  found: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
): string | undefined {
  for (let index = 0; index < expected.length; index++) {
    if (found[index] !== expected[index]) return `${name}[${index}] is ${found[index]}, not ${expected[index]}`;
  }
  return undefined;
}

/** The first byte in which two poisoned memories of one layout differ, with the region that it is in or follows; or undefined. */
export function differenceOfMemory(planner: StepPlanner, other: StepPlanner): string | undefined {
  const [found, expected] = [planner, other].map((one) => Buffer.from(devicePort(one).arena.buffer, CONFIG_BASE));
  if (found.equals(expected)) return undefined;
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  const region = devicePort(planner).regions.all.findLast(({ offset }) => offset <= CONFIG_BASE + at);
  return `byte ${CONFIG_BASE + at - (region?.offset ?? 0)} of ${region?.name} is ${found[at]}, not ${expected[at]}`;
}

/** A copy of a KV cache group's block table on a device, brought up to date by nothing but the edits each step lists. */
export class DeviceTable {
  readonly rows: Int32Array;
  readonly #group: number;

  /** `content` is what the device's memory holds before the first step. */
  constructor(planner: StepPlanner, content: number, group = 0) {
    const { maxPaddedRequests, groups } = planner.local.sizes;
    this.#group = group;
    this.rows = new Int32Array(maxPaddedRequests * groups[group].tableWidth).fill(content);
  }

  apply(planner: StepPlanner): void {
    const offset = devicePort(planner).regions.groups[this.#group].region('tableEdits').offset;
    const { tableEdits, tableWidth, blockTable } = planner.local.groups[this.#group];
    const edits = new Int32Array(devicePort(planner).arena.buffer, offset, 4 * tableEdits);
    for (let at = 0; at < edits.length; at += 4) {
      const [row, begin, end] = edits.subarray(at, at + 3);
      this.rows.set(blockTable.subarray(row * tableWidth + begin, row * tableWidth + end), row * tableWidth + begin);
    }
  }

  /** First entry of the step's rows that is not what the plain table holds. */
  differenceFrom(plain: PlainStep): string | undefined {
    return firstDifference('device table', this.rows, plain.blockTable);
  }
}
