import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS, decodePlan, type Limits, type StepPlanner } from '../../dist/entry/planner.js';
import { CONFIG_BASE, KV_GROUP_REGIONS, KV_GROUP_TENSORS, VIEW_TENSORS } from '../../dist/layout/layout.js';
import { loadModules } from '../../dist/memory/modules.js';
import type { RegionTable } from '../../dist/memory/region-table.js';
import { layoutRegions } from '../../dist/memory/regions.js';
import { devicePort } from '../../dist/planner/index.js';
import { PlannerSession } from '../support/planner-session.js';
import { policyArbitrary, setupArbitrary } from '../support/planner-setup.js';
import { runs } from '../support/property-runs.js';
import { sessionArbitrary } from '../support/session-steps.js';

const modules = await loadModules();
const POISON = 0xa5;

const largeLimits: fc.Arbitrary<Limits> = fc
  .record({
    maxNumSeqs: fc.integer({ min: 1, max: 2048 }),
    maxNumBatchedTokens: fc.integer({ min: 8, max: 65536 }),
    maxModelLen: fc.integer({ min: 1, max: 1 << 17 }),
    blockSize: fc.constantFrom(8, 16, 24, 64, 128),
    perBlock: fc.constantFrom(1, 2, 4, 8),
    queryLen: fc.integer({ min: 1, max: 8 }),
    contextParallelSize: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ perBlock, ...rest }) => ({ ...DEFAULT_LIMITS, ...rest, kernelBlockSize: rest.blockSize / perBlock }));

/** Bytes between the end of each region and the next one, or the end of memory. The fixed ones hold no arrays. */
function slackOf(table: RegionTable): { name: string; begin: number; end: number }[] {
  const arrays = table.all.filter(({ offset }) => offset >= CONFIG_BASE);
  return arrays.map(({ name, offset, bytes }, index) => ({
    name,
    begin: offset + bytes,
    end: arrays[index + 1]?.offset ?? table.pages * 65536,
  }));
}

describe('regions', () => {
  it('never overlap, are aligned to 64 bytes, and have 64 bytes of slack', () => {
    fc.assert(
      fc.property(largeLimits, policyArbitrary, fc.integer({ min: 1, max: 64 }), (limits, policy, ranks) => {
        const sizes = [1, 2, 8, 64, limits.maxNumSeqs * limits.queryLen];
        const plan = decodePlan({ sizes, limits, policy });
        const table = layoutRegions({ limits, plan, policy, rank: 0, ranks });
        let end = 0;
        for (const { offset, bytes } of table.all) {
          expect(offset).toBeGreaterThanOrEqual(end);
          expect(offset % 64).toBe(0);
          end = offset + bytes;
        }
        for (const { begin, end } of slackOf(table)) expect(end - begin).toBeGreaterThanOrEqual(64);
        const offsets = new Set(table.all.map(({ offset }) => offset));
        for (const { offset } of table.regions.values()) expect(offsets.has(offset)).toBe(true);
        const views = policy.ubatches > 1 ? 1 + policy.ubatches : 1;
        for (let set = 0; set < 2; set++) {
          for (let view = 0; view < views; view++) {
            for (const name of VIEW_TENSORS) expect(offsets.delete(table.tensor(set, view, name))).toBe(true);
            for (const group of table.groups) {
              for (const name of KV_GROUP_TENSORS) expect(offsets.delete(group.tensor(set, view, name))).toBe(true);
            }
          }
        }
        // A device's copy of a set is laid out as either set is.
        const { bytes, sets } = table.mirror;
        for (const { name, offset } of table.all.filter((region) =>
          /set 0 view \d (?!copy of)|blockTable0/.test(region.name),
        )) {
          const other = table.all.find(
            (region) => region.name === name.replace('set 0', 'set 1').replace('Table0', 'Table1'),
          );
          expect(offset - sets[0]).toBe((other?.offset ?? 0) - sets[1]);
          expect(offset - sets[0]).toBeGreaterThanOrEqual(0);
          expect(offset - sets[0]).toBeLessThan(bytes);
        }
        for (const group of table.groups) {
          for (const name of KV_GROUP_REGIONS) expect(offsets.delete(group.region(name).offset)).toBe(true);
        }
      }),
      runs(400),
    );
  });

  it('keep to themselves: no step writes into slack, but for fifteen slots or positions', () => {
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const session = new PlannerSession(modules, setup, [true]);
        const [planner] = session.planners;
        const bytes = devicePort(planner).arena.byteLength;
        for (const step of steps) {
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          session.step(step);
        }
        expect(devicePort(planner).arena.byteLength).toBe(bytes);
        expect(bytes).toBe(devicePort(planner).regions.pages * 65536);
        expect(dirtySlack(planner)).toEqual([]);
      }),
      runs(600),
    );
  });
});

function dirtySlack(planner: StepPlanner): string[] {
  return slackOf(devicePort(planner).regions).flatMap(({ name, begin, end }) => {
    const overshoot = /positions|slotMapping/.test(name) ? 15 * 8 : 0;
    const at = devicePort(planner)
      .arena.subarray(begin + overshoot, end)
      .findIndex((byte) => byte !== POISON);
    return at < 0 ? [] : [`${name}: byte ${overshoot + at} of the slack`];
  });
}
