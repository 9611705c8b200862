import { describe, expect, it } from 'vitest';
import { createPlanner, decodePlan } from '../../../dist/entry/planner.js';
import { createRank, createSolo, type ForwardPart, openDevice } from '../../../dist/index.js';
import type { KvGroupTensorName } from '../../../dist/layout/layout.js';
import { devicePort } from '../../../dist/planner/index.js';
import { readI32, TEST_DEVICE } from '../../support/device-fixture.js';

const NAMES: readonly KvGroupTensorName[] = ['slotMapping', 'kvIndptr', 'kvIndices', 'kvLastPageLen'];
const SIZES = [4, 8, 16];
const UPLOAD_ROWS = 2;

/** A rank on the host device with three KV cache groups, a ladder and micro-batches; `forward` sees its parts. */
async function rankOf(forward: (part: ForwardPart) => void) {
  const limits = {
    maxNumSeqs: 6,
    maxNumBatchedTokens: 32,
    maxModelLen: 64,
    kvGroups: SIZES.map((blockSize) => ({ blockSize, kernelBlockSize: 4, numBlocks: 64 })),
  };
  const policy = { ubatches: 2, ubatchThresholdDecode: 4 };
  const complete = (await createPlanner({ limits, policy })).policy;
  const plan = decodePlan({ sizes: [2, 6], limits: { maxNumSeqs: 6, queryLen: 1 }, policy: complete });
  const planner = await createPlanner({ limits, plan, policy, tensors: { csr: true } });
  const device = openDevice({ device: TEST_DEVICE });
  const rank = createRank({
    planner,
    device,
    collective: createSolo(),
    forward: () => ({ part: (_stream, part) => forward(part) }),
    checkShapes: true,
  });
  rank.captureSync();
  return { rank, planner, device };
}

describe('the device copies of several KV cache groups', () => {
  it('hold what each step planned, in graphs and eager steps, whole and in parts', async () => {
    const { rank, planner, device } = await rankOf(() => {});
    const { requests } = planner;
    const rows = [3, 9, 15, 16, 30].map((numComputedTokens, index) => {
      const blockIds = SIZES.map((size) =>
        Array.from({ length: Math.ceil((numComputedTokens + 8) / size) }, (_, block) => 1 + 12 * index + block),
      );
      return requests.add({ blockIds, numComputedTokens });
    });
    const kinds = new Set<string>();
    for (const count of [2, 5, 1, 5, 3]) {
      for (const row of rows.slice(0, count)) requests.schedule(row, { phase: 'decode', queryLen: 1 });
      if (count === 3) requests.schedule(rows[4], { phase: 'prefill', queryLen: 4 });
      const { decision, local } = rank.stepSync();
      // One operation for all tensors, and one a table that changed, whatever the number of its edits.
      const { words } = devicePort(planner).commands;
      const operations = Array.from({ length: words[0] }, (_, command) => words[8 + 8 * command]);
      const changed = local.groups.filter(({ tableEdits }) => tableEdits > 0);
      expect(operations.filter((operation) => operation === UPLOAD_ROWS)).toHaveLength(1 + changed.length);
      kinds.add(`${decision.run} ${decision.partCount}`);
      const { groups } = local.snapshot();
      const { metadata, stream } = rank.executor;
      for (const [index, planned] of groups.entries()) {
        const buffers = metadata.groups[index];
        expect(readI32(stream, buffers.blockTable, planned.blockTable.length)).toEqual([...planned.blockTable]);
        const views = [planned.tensors, ...planned.partTensors].map((view, at) => ({
          view,
          own: at === 0 ? buffers.whole : buffers.parts[at - 1],
        }));
        for (const { view, own } of views) {
          for (const name of NAMES) {
            const values = view[name];
            const words = new Int32Array(values.buffer, values.byteOffset, values.byteLength / 4);
            expect(readI32(stream, own[name], words.length)).toEqual([...words]);
          }
        }
      }
      for (const row of rows.slice(0, count)) requests.advance(row, 1);
    }
    expect([...kinds].sort()).toEqual(['eager 1', 'full 1', 'full 2']);
    rank.dispose();
    device.dispose();
  });

  it('are what a part’s layers are launched with', async () => {
    const parts: ForwardPart[] = [];
    const { rank, device } = await rankOf((part) => void parts.push(part));
    const { groups } = rank.executor.metadata;
    expect(parts.length).toBeGreaterThan(0);
    for (const { groups: given, tensors, blockTable } of parts) {
      expect(given.map(({ tableWidth }) => tableWidth)).toEqual([16, 16, 16]);
      for (const [name, buffer] of Object.entries(given[0].tensors)) expect(tensors).toHaveProperty(name, buffer);
      expect(given[0].blockTable).toBe(blockTable);
      for (const [index, group] of given.entries()) {
        expect(group.blockTable).toBe(groups[index].blockTable);
        expect([groups[index].whole, ...groups[index].parts]).toContain(group.tensors);
      }
    }
    rank.dispose();
    device.dispose();
  });
});
