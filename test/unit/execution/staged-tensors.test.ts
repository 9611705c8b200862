import { expect, it } from 'vitest';
import type { ForwardBatch } from '../../../dist/batch/index.js';
import { createPlanner, decodePlan, type StepPlanner } from '../../../dist/entry/planner.js';
import { StagedTensors } from '../../../dist/execution/staged-tensors.js';
import { KV_GROUP_TENSORS, TENSOR_BYTES, VIEW_TENSORS } from '../../../dist/layout/layout.js';
import { devicePort } from '../../../dist/planner/index.js';

const limits = {
  maxNumSeqs: 6,
  maxNumBatchedTokens: 32,
  maxModelLen: 64,
  kvGroups: [4, 8].map((blockSize) => ({ blockSize, numBlocks: 64 })),
};
const policy = { ubatches: 2, ubatchThresholdDecode: 4 };

interface Step {
  /** Requests that decode. */
  readonly decodes: readonly number[];
  /** Tokens of the prefills, of the last requests backwards. */
  readonly prefills?: readonly number[];
  /** Whether they end their prompts. */
  readonly lastChunk?: boolean;
  /** Whether the step is not cut into parts. */
  readonly whole?: boolean;
  /** Whether what the device supplies was written. */
  readonly supplied: boolean;
}

const twice = (step: Step): readonly Step[] => [step, step];

/** Each twice, once a staging set. Most differ from the one before in one respect alone. */
const STEPS: readonly Step[] = [
  { decodes: [0, 1], supplied: false },
  { decodes: [2, 3], supplied: false },
  { decodes: [2, 3], supplied: true },
  { decodes: [0, 1, 2, 3, 4], supplied: true },
  { decodes: [0, 1, 2, 3, 4], whole: true, supplied: true },
  { decodes: [0, 1, 2, 3, 4], supplied: true },
  { decodes: [], prefills: [4], lastChunk: true, supplied: true },
  { decodes: [], prefills: [4], lastChunk: false, supplied: true },
  { decodes: [], prefills: [3], lastChunk: false, supplied: true },
  { decodes: [], prefills: [4], lastChunk: false, supplied: true },
  { decodes: [], prefills: [2, 2], lastChunk: false, supplied: true },
  { decodes: [0], prefills: [4], lastChunk: true, supplied: false },
].flatMap(twice);

/** The ranges that a device must copy, `begin` to `end` in bytes of the set, from the step's own tensors. */
function used(planner: StepPlanner, local: ForwardBatch, supplied: boolean): string[] {
  const { regions } = devicePort(planner);
  const { staging } = local;
  const { tensors, partTensors, groups } = local.snapshot();
  const ranges: string[] = [];
  const add = (offset: number, entries: number, bytes: number): void => {
    const begin = offset - regions.mirror.sets[staging];
    if (entries > 0) ranges.push(`${begin} ${begin + entries * bytes}`);
  };
  for (const [view, of] of [tensors, ...partTensors].entries()) {
    for (const name of VIEW_TENSORS) {
      if (!supplied && regions.deviceSupplied.has(name)) continue;
      add(regions.tensor(staging, view, name), of[name].length, TENSOR_BYTES[name]);
    }
    for (const [group, plan] of groups.entries()) {
      const own = view === 0 ? plan.tensors : plan.partTensors[view - 1];
      for (const name of KV_GROUP_TENSORS) {
        add(regions.groups[group].tensor(staging, view, name), own[name].length, TENSOR_BYTES[name]);
      }
    }
  }
  return ranges.sort();
}

it.each([false, true])(
  'lists what each step uses of its staging set, whatever the step before used (csr: %s)',
  async (csr) => {
    const complete = (await createPlanner({ limits, policy })).policy;
    const plan = decodePlan({ sizes: [2, 6], limits: { maxNumSeqs: 6, queryLen: 1 }, policy: complete });
    const planner = await createPlanner({ limits, plan, policy, tensors: { csr }, deviceSupplied: ['inputIds'] });
    const port = devicePort(planner);
    const sets = [new StagedTensors(port, 0), new StagedTensors(port, 1)];
    const rows = [3, 7, 20, 30, 9, 0].map((numComputedTokens, index) => {
      const blockIds = limits.kvGroups.map(({ blockSize }) =>
        Array.from(
          { length: Math.ceil((numComputedTokens + 20) / blockSize) },
          (_, block) => 1 + 10 * index + (block % 10),
        ),
      );
      return planner.requests.add({ blockIds, numComputedTokens });
    });
    for (const { decodes, prefills = [], lastChunk = false, whole = false, supplied } of STEPS) {
      for (const row of decodes) planner.requests.schedule(rows[row], { phase: 'decode', queryLen: 1 });
      for (const [index, queryLen] of prefills.entries()) {
        planner.requests.schedule(rows[5 - index], { phase: 'prefill', queryLen, lastChunk });
      }
      planner.vote({ ubatchVeto: whole ? 'other' : 'none' });
      const local = planner.build(planner.resolve(planner.table));
      const staged = sets[local.staging];
      const count = staged.list(local, supplied);
      const words = new Int32Array(port.arena.buffer, staged.offset, 4 * count);
      const listed = Array.from({ length: count }, (_, range) => {
        expect([words[4 * range], words[4 * range + 3]]).toEqual([0, 0]);
        return `${4 * words[4 * range + 1]} ${4 * words[4 * range + 2]}`;
      });
      expect(listed.sort()).toEqual(used(planner, local, supplied));
    }
    planner.dispose();
  },
);
