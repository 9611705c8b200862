import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { loadModules } from '../../dist/memory/modules.js';
import { devicePort } from '../../dist/planner/index.js';
import { METADATA_BUILDS } from '../support/metadata-builds.js';
import { DeviceTable } from '../support/planner-compare.js';
import { PlannerSession } from '../support/planner-session.js';
import { setupArbitrary } from '../support/planner-setup.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { sessionArbitrary } from '../support/session-steps.js';

const [wasm, native] = await Promise.all(METADATA_BUILDS.map(([, sources]) => loadModules(sources)));
/** The planners of a session, and whether each is poisoned: the two poisoned ones are compared byte by byte. */
const BUILDS = [wasm, wasm, native];
const POISON = [false, true, true];

describe('after any sequence of edits and decisions', () => {
  it('fresh, poisoned and rebuilt planners hold the plain tensors, padding included', () => {
    const seen = new Map<string, number>();
    let continued = 0;
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const session = new PlannerSession(BUILDS, setup, POISON);
        for (const step of steps) {
          continued += session.edits(step);
          const result = session.step(step);
          if (result === undefined) continue;
          const { run, reason, parts } = result.decision;
          const kind = `${run} ${run === 'park' ? reason : parts.length > 1 ? 'parts' : 'plain'}`;
          seen.set(kind, (seen.get(kind) ?? 0) + 1);
        }
      }),
      runs(2000),
    );
    const kinds = ['eager parts', 'eager plain', 'full parts', 'full plain', 'park all-idle', 'park leave'];
    if (!FULL_RUN) return;
    expect([...seen.keys()].sort()).toEqual(kinds);
    expect(continued).toBeGreaterThan(100);
  });

  it("a device table of each KV cache group that is given each step's edits alone holds that step's rows", () => {
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const session = new PlannerSession(BUILDS, setup, POISON);
        let tables: DeviceTable[][] = [];
        let lost = false;
        for (const step of steps) {
          if (lost) for (const planner of session.planners) devicePort(planner).invalidateDeviceTable();
          session.edits(step);
          const result = session.step(step);
          // Without poison a device's memory is zero before the first step; with it, anything.
          if (tables.length === 0) {
            tables = session.planners.map((planner, index) =>
              planner.local.groups.map((_, group) => new DeviceTable(planner, index === 0 ? 0 : -1, group)),
            );
          }
          if (result?.groups === undefined) {
            lost = false;
            continue;
          }
          lost = step.lost;
          for (const [index, planner] of session.planners.entries()) {
            for (const [group, table] of tables[index].entries()) {
              if (lost) {
                table.rows.fill(-7);
                continue;
              }
              table.apply(planner);
              expect(table.differenceFrom(result.groups[group])).toBeUndefined();
            }
          }
        }
      }),
      runs(800),
    );
  });
});
