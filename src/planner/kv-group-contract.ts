import type { ForwardBatch, KvGroupMetadata, KvGroupTensors, MetadataView } from '../batch/index.js';
import { equal, fail, storedBefore } from './shape-checks.js';

/** The names of a KV cache group's tensors in messages: the first group's are the view's own. */
export function groupName(name: string, group: KvGroupMetadata): string {
  return group.sizes.index === 0 ? name : `${name}.groups[${group.sizes.index}]`;
}

/**
 * Null block 0 after a request's last block and in pad rows; a block for every position this rank stores, except leading ones outside the
 * sliding window. `isReal` says which rows have a request. Throws ERR_SHAPE_CONTRACT.
 */
export function checkGroupTable(local: ForwardBatch, group: KvGroupMetadata, isReal: (row: number) => boolean): void {
  const { seqLens, queryStartLoc, positions } = local.writtenTensors;
  const { index, kernelBlockSize } = group.sizes;
  const table = index === 0 ? 'blockTable' : `groups[${index}].blockTable`;
  for (let row = 0; row < local.attentionRequests; row++) {
    const from = row * group.tableWidth;
    const real = isReal(row);
    const needed = real ? Math.ceil(storedBefore(local, seqLens[row]) / kernelBlockSize) : 0;
    const past = real ? columnsPastWindow(local, group, Number(positions[queryStartLoc[row]])) : 0;
    let ended = !real;
    for (let column = 0; column < group.tableWidth; column++) {
      const block = group.blockTable[from + column];
      if (block === 0 && column < past) continue;
      if (block < 0 || (column < needed && block === 0))
        fail(`${table}[${row}, ${column}]`, `is ${block}`, 'a block of the request');
      if (ended && block !== 0) fail(`${table}[${row}, ${column}]`, `is ${block}`, '0 after the last block');
      if (block === 0) ended = true;
    }
  }
}

/** Leading block-table columns outside the attention window of every query at or after `position`. */
function columnsPastWindow(local: ForwardBatch, group: KvGroupMetadata, position: number): number {
  const { window, blockSize, kernelBlockSize } = group.sizes;
  if (window === 0) return 0;
  const blocks = Math.floor((position - window + 1) / (blockSize * local.sizes.contextParallelSize));
  return Math.max(0, blocks) * (blockSize / kernelBlockSize);
}

/**
 * Slots of a group in a view whose requests and positions are checked: those of its block table, -1 in padding and
 * beyond. `tableRow` is the table's row of the view's first request. Throws ERR_SHAPE_CONTRACT.
 */
export function checkGroupSlots(
  name: string,
  own: KvGroupTensors,
  view: MetadataView,
  shape: { readonly paddedTokens: number; readonly tableRow: number },
  local: ForwardBatch,
  group: KvGroupMetadata,
): void {
  const tensor = `${groupName(name, group)}.slotMapping`;
  for (let token = 0; token < own.slotMapping.length; token++) {
    const request = token < shape.paddedTokens ? view.tokenToRequest[token] : -1;
    const slot = request < 0 ? -1n : slotOf(local, group, shape.tableRow + request, Number(view.positions[token]));
    equal(`${tensor}[${token}]`, own.slotMapping[token], slot);
  }
}

/** Slot of a position by the group's block table; -1 where another rank stores it. */
function slotOf(local: ForwardBatch, group: KvGroupMetadata, row: number, position: number): bigint {
  const stored = storedBefore(local, position);
  if (storedBefore(local, position + 1) === stored) return -1n;
  const { kernelBlockSize } = group.sizes;
  const block = group.blockTable[row * group.tableWidth + Math.floor(stored / kernelBlockSize)];
  return BigInt(block) * BigInt(kernelBlockSize) + BigInt(stored % kernelBlockSize);
}
