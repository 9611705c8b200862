import { expect } from 'vitest';
import { EAGER_REASONS, type ReasonCode } from '../../dist/entry/planner.js';
import type { RunSummary } from '../../dist/entry/run.js';

/** 1, 2, 4, …: as many. */
export const powers = (count: number): number[] => Array.from({ length: count }, (_, exponent) => 2 ** exponent);

/** What holds of every run, whatever its options. */
export function checkLaws(run: RunSummary): void {
  expect(run.mismatches, JSON.stringify(run.firstMismatches)).toBe(0);
  expect(run.diverged).toBe(0);
  expect(run.steps).toBe(run.graphSteps + run.eagerSteps);
  const counted = Object.entries(run.reasons) as [ReasonCode, number][];
  const eager = counted.filter(([reason]) => EAGER_REASONS.includes(reason)).reduce((sum, [, count]) => sum + count, 0);
  expect(eager).toBe(run.eagerSteps);
  expect(counted.reduce((sum, [, count]) => sum + count, 0)).toBe(
    run.steps + (run.reasons['all-idle'] ?? 0) + (run.reasons.leave ?? 0),
  );
  expect(run.finished + run.rejected).toBe(run.requests);
  expect(run.paddingRatio).toBeGreaterThanOrEqual(0);
  // Every step sends its rows to the experts and takes them back.
  const collectives = run.collectivesInGraphs + run.collectivesEager;
  expect(run.collectives).toBe(run.processes === 1 ? 'solo' : 'local');
  expect(collectives).toBeGreaterThanOrEqual(2 * run.steps);
  if (run.collectives === 'local') expect(run.collectivesInGraphs).toBe(0);
}
