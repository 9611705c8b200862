import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, type Limits, type Row, StepPlanner } from '../../dist/entry/planner.js';
import { loadModules } from '../../dist/memory/modules.js';
import { slotsOf } from '../oracles/slot-oracle.js';
import { PlannerSession } from '../support/planner-session.js';
import { setupArbitrary, withCuts } from '../support/planner-setup.js';
import { runs } from '../support/property-runs.js';
import { sessionArbitrary } from '../support/session-steps.js';

const modules = await loadModules();

describe('slots', () => {
  it('P7: requests that share no block write each slot at most once, over whole batch and parts', () => {
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const session = new PlannerSession(modules, setup, [false]);
        for (const step of steps) {
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          const result = session.step(step);
          if (result?.plain === undefined) continue;
          const { local } = session.planners[0];
          const views = local.partCount > 1 ? local.partTensors.slice(0, local.partCount) : [local.tensors];
          const written = views.flatMap(({ slotMapping }) => [...slotMapping].filter((slot) => slot !== -1n));
          expect(new Set(written).size).toBe(written.length);
          expect(written.every((slot) => slot >= BigInt(setup.limits.blockSize))).toBe(true);
        }
      }),
      runs(600),
    );
  });

  it('P8: parts and whole agree per token, and per request in query and sequence length', () => {
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const ubatches = Math.max(2, setup.policy.ubatches);
        const policy = withCuts({ ...setup.policy, ubatches, enforceEager: false });
        const session = new PlannerSession(modules, { ...setup, policy, plan: { keys: [] } }, [true]);
        for (const step of steps) {
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          const result = session.step(step);
          const { local } = session.planners[0];
          if (result?.plain === undefined || local.partCount === 1) continue;
          const { tensors, partTensors } = local;
          const queryLens = new Array<number>(local.requests).fill(0);
          const seqLens = new Array<number>(local.requests).fill(0);
          for (let index = 0; index < local.partCount; index++) {
            const { requests, tokens } = local.part(index);
            const view = partTensors[index];
            for (let token = tokens[0]; token < tokens[1]; token++) {
              expect(view.slotMapping[token - tokens[0]]).toBe(tensors.slotMapping[token]);
              expect(view.positions[token - tokens[0]]).toBe(tensors.positions[token]);
            }
            for (let request = requests[0]; request < requests[1]; request++) {
              const inPart = request - requests[0];
              queryLens[request] += view.queryStartLoc[inPart + 1] - view.queryStartLoc[inPart];
              seqLens[request] = view.seqLens[inPart];
            }
          }
          expect(seqLens).toEqual([...tensors.seqLens.subarray(0, local.requests)]);
          const starts = tensors.queryStartLoc;
          expect(queryLens).toEqual(queryLens.map((_, request) => starts[request + 1] - starts[request]));
        }
      }),
      runs(600),
    );
  });

  it('each position is stored by exactly one rank of a context-parallel group, at a slot no other position has', () => {
    const geometry = fc
      .record({
        contextParallelSize: fc.integer({ min: 1, max: 5 }),
        interleaveSize: fc.integer({ min: 1, max: 4 }),
        turns: fc.integer({ min: 1, max: 3 }),
        length: fc.integer({ min: 1, max: 90 }),
        start: fc.nat(89),
      })
      .map(({ turns, start, ...rest }) => ({
        ...rest,
        blockSize: turns * rest.interleaveSize,
        start: start % rest.length,
      }));
    fc.assert(
      fc.property(geometry, ({ contextParallelSize, interleaveSize, blockSize, length, start }) => {
        const perRank = Array.from({ length: contextParallelSize }, (_, contextParallelRank) => {
          const limits: Limits = {
            ...DEFAULT_LIMITS,
            maxNumSeqs: 1,
            maxNumBatchedTokens: 90,
            maxModelLen: 90,
            numBlocks: 100,
            blockSize,
            kernelBlockSize: blockSize,
            contextParallelSize,
            contextParallelRank,
            interleaveSize,
          };
          const blockIds = Array.from(
            { length: Math.ceil(length / (blockSize * contextParallelSize)) },
            (_, b) => 99 - b,
          );
          const slots = prefillSlots(limits, blockIds, start, length);
          expect(slots).toEqual(slotsOf(blockIds, length, limits).slice(start));
          const stored = slots.filter((slot) => slot >= 0n);
          expect(new Set(stored).size).toBe(stored.length);
          return slots;
        });
        for (let index = 0; index < length - start; index++) {
          expect(perRank.filter((slots) => slots[index] >= 0n)).toHaveLength(1);
        }
      }),
      runs(500),
    );
  });
});

function prefillSlots(limits: Limits, blockIds: number[], start: number, end: number): bigint[] {
  const planner = new StepPlanner(modules, { limits, poison: true });
  const row: Row = planner.requests.add({ blockIds, numComputedTokens: start });
  planner.requests.schedule(row, { phase: 'prefill', queryLen: end - start });
  const local = planner.build(planner.resolve(planner.vote()));
  return [...local.tensors.slotMapping.subarray(0, end - start)];
}
