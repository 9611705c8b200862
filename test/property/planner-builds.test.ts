import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nativeMetadata } from '../../dist/index.js';
import { CONFIG_BASE } from '../../dist/planner/layout.js';
import { loadModules } from '../../dist/planner/modules.js';
import { PlannerSession, sessionArbitrary } from '../support/planner-session.js';
import { setupArbitrary } from '../support/planner-setup.js';
import { runs } from '../support/property-runs.js';

const builds = await Promise.all([
  loadModules({}, 'on'),
  loadModules({}, 'off'),
  loadModules({ metadata: nativeMetadata() }),
]);

describe('builds of the metadata sources', () => {
  it('SIMD, scalar and native hold the plain tensors, and the same bytes all over a poisoned memory', () => {
    fc.assert(
      fc.property(setupArbitrary, sessionArbitrary, (setup, steps) => {
        const session = new PlannerSession(builds, setup, [true, true, true]);
        for (const step of steps) {
          session.continueDecodes(step.continues);
          for (const edit of step.edits) session.edit(edit, step.decodeOnly);
          session.step(step);
          const [simd, ...others] = session.planners.map(({ arena }) => Buffer.from(arena.buffer, CONFIG_BASE));
          for (const other of others) expect(other.compare(simd)).toBe(0);
        }
      }),
      runs(600),
    );
  });
});
