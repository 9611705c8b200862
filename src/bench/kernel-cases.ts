import type { PlannerModules } from '../memory/index.js';
import { type BenchRequest, decodes, prefills, scheduleBatch } from './batches.js';
import type { BenchCase, BenchRow } from './measure.js';

const BLOCK_SIZE = 16;
/** Bytes written for one decode token: a position and a slot of 8 bytes, and a sequence length per request. */
const TOKEN_BYTES = 16;
const SEQ_LEN_BYTES = 4;
const SLOT_BYTES = 8;
/** inputIds, positions, slotMapping, tokenToRequest, isPadding and logitsIndices of a token; queryStartLoc and seqLens of its request. */
const PART_BYTES = 40;

/** Rows of kernels that write a step's tensors. */
export const KERNEL_ROWS: readonly BenchRow[] = [
  ...[1, 8, 64, 256, 512, 1024].map((count): BenchRow => ({ name: `decode-${count}`, make: decodeCase(count, 1) })),
  { name: 'spec-256x4', make: decodeCase(256, 4) },
  { name: 'prefill-1x8192', make: slotsCase(prefills(1, 8192)) },
  { name: 'prefill-4x2048', make: slotsCase(prefills(4, 2048)) },
  { name: 'mixed-255+7937', make: slotsCase([...decodes(255), ...prefills(1, 7937)]) },
  { name: 'short-1024x16', make: slotsCase(prefills(1024, 16)) },
  { name: 'parts-2-256', make: partsCase(256, 2) },
  { name: 'csr-256', make: csrCase(256) },
];

/** The fused decode kernel as the batch grows: its time per request shows whether anything but the batch's size matters. */
export const GROWTH_ROWS: readonly BenchRow[] = [256, 512, 1024, 2048, 4096, 8192, 16384].map((count) => ({
  name: `growth-${count}`,
  make: decodeCase(count, 1),
}));

/** Positions, sequence lengths and slots of decodes, beside a copy of as many bytes. */
function decodeCase(count: number, queryLen: number): BenchRow['make'] {
  return (modules) => {
    const { memory } = scheduleBatch(modules, { queryLen }, decodes(count, queryLen));
    const { metadata } = memory;
    const bytes = count * (queryLen * TOKEN_BYTES + SEQ_LEN_BYTES);
    const [from, to] = [memory.groupOffset('blockTable0'), memory.groupOffset('blockTable1')];
    return {
      ours: () => metadata.kernel_decodes(0, queryLen),
      limit: () => metadata.limit_copy(to, from, bytes),
      peer: {
        kind: 'slots',
        queryLens: new Array<number>(count).fill(queryLen),
        blockSize: BLOCK_SIZE,
        maxBlocks: 1024,
      },
    };
  };
}

/** The slot mapping of a batch, beside a fill of as many bytes. */
function slotsCase(batch: readonly BenchRequest[]): BenchRow['make'] {
  return (modules) => {
    const { memory } = scheduleBatch(modules, {}, batch);
    const { metadata } = memory;
    const queryLens = batch.map(({ queryLen }) => queryLen);
    const bytes = queryLens.reduce((sum, queryLen) => sum + queryLen, 0) * SLOT_BYTES;
    const to = memory.regions.tensor(0, 0, 'positions');
    return {
      ours: () => metadata.kernel_slots(0),
      limit: () => metadata.limit_fill(to, bytes),
      peer: { kind: 'slots', queryLens, blockSize: BLOCK_SIZE, maxBlocks: 1024 },
    };
  };
}

/** The CSR form of the block table of `count` decodes, beside a fill of as many bytes. */
function csrCase(count: number): BenchRow['make'] {
  return (modules) => {
    const { memory } = scheduleBatch(modules, {}, decodes(count), { csr: true });
    const { metadata } = memory;
    metadata.build_padded(0, count, count);
    metadata.kernel_block_table(0);
    const indices = decodes(count).reduce((sum, { start }) => sum + Math.ceil((start + 1) / BLOCK_SIZE), 0);
    // The indices, and for each request its start and last page length, and one end after the last request.
    const bytes = 4 * (indices + 2 * count + 1);
    const to = memory.groupOffset('blockTable1');
    return {
      ours: () => metadata.kernel_paged_kv(0),
      limit: () => metadata.limit_fill(to, bytes),
      peer: null,
    };
  };
}

/** All tensors of the parts that a batch of decodes is cut into, beside a fill of as many bytes. */
function partsCase(count: number, parts: number): BenchRow['make'] {
  return (modules: PlannerModules): BenchCase => {
    const { memory } = scheduleBatch(modules, {}, decodes(count), { ubatches: parts });
    const { metadata } = memory;
    metadata.build_padded(0, count, count);
    const share = count / parts;
    const to = memory.groupOffset('blockTable1');
    return {
      ours: () => {
        for (let part = 0; part < parts; part++) {
          metadata.build_cut(0, part, part * share, (part + 1) * share, share, count);
        }
      },
      limit: () => metadata.limit_fill(to, count * PART_BYTES),
      peer: null,
    };
  };
}
