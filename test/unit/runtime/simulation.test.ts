import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { root } from '../../support/cli.js';
import { shownLines } from '../../support/doc-blocks.js';
import { FULL_RUN, runs, SEED } from '../../support/property-runs.js';
import { loadBuild } from '../../support/simulation/build.js';
import { type Campaign, campaign } from '../../support/simulation/campaign.js';
import { FAULT_KINDS, FAULTS, OF_CAPTURES } from '../../support/simulation/faults.js';
import { simulate } from '../../support/simulation/simulated-run.js';

const build = await loadBuild(path.join(root, 'dist'));

function told(what: string, { runs, steps, failure }: Campaign, since: number): void {
  const seconds = (performance.now() - since) / 1000;
  const rate = Math.round(steps / seconds);
  // `.ci/run` shows lines that begin so.
  console.log(
    `\nnote: simulation, ${what}: seeds ${SEED} to ${SEED + runs - 1}, ${Math.round(steps)} steps of 4 ranks, ${rate} a second`,
  );
  if (failure !== null) throw failure;
}

it('docs/simulation.md has every fault', () => {
  const rows = ['| fault | what happens |', '|---|---|', ...FAULT_KINDS.map((kind) => `| ${kind} | ${FAULTS[kind]} |`)];
  expect(shownLines('docs/simulation.md', 'faults of the simulation', rows)).toEqual(rows);
});

describe('a simulated group of four ranks', () => {
  it.each(FAULT_KINDS)('keeps its laws: %s', async (kind) => {
    const { failure, kinds } = await campaign(build, 1, { runs: 12 }, { kind, steps: 12 });
    if (failure !== null) throw failure;
    if (kind !== 'none') expect(kinds.get(kind) ?? 0).toBeGreaterThan(2);
  });

  it.each(OF_CAPTURES)('keeps its laws in a capture: %s', async (kind) => {
    const { failure, kinds } = await campaign(build, 1, { runs: 24 }, { kind, early: true, steps: 4 });
    if (failure !== null) throw failure;
    expect(kinds.get(kind) ?? 0).toBeGreaterThan(2);
  });

  it('keeps its laws with a fault of any kind at any step, over new seeds', async () => {
    const since = performance.now();
    // The first of those that test/soak takes, which expects every kind among them.
    const found = await campaign(build, SEED, { runs: runs(400).numRuns as number });
    told('runs with faults', found, since);
  });

  it('keeps its laws in captures that a fault may end at any all-gather, over new seeds', async () => {
    const since = performance.now();
    const found = await campaign(build, SEED, { runs: runs(1000).numRuns as number }, { early: true, steps: 4 });
    told('captures with faults', found, since);
    if (!FULL_RUN) return;
    const outcomes = ['ERR_ABORTED', 'ERR_CAPTURE_ASYMMETRIC', 'held 0', 'held 1', 'held 2', 'held 3'];
    expect([...found.captured.keys()].sort()).toEqual(outcomes);
  });

  it('goes on for as long as nothing happens, through parks and the wrap of the step number', async () => {
    const since = performance.now();
    const steps = runs(50_000).numRuns as number;
    const found = await campaign(build, SEED, { steps }, { kind: 'none', steps: 2500 });
    told('runs without a fault', found, since);
    expect([...found.kinds.keys()]).toEqual(['none']);
    expect(found.parks).toBeGreaterThan(0);
  });

  it('does the same again from the same seed', async () => {
    for (const seed of [SEED, SEED + 1, SEED + 2]) {
      const [first, again, other] = [
        await simulate(build, seed),
        await simulate(build, seed),
        await simulate(build, seed + 9),
      ];
      expect(again).toEqual(first);
      expect(other.trace).not.toBe(first.trace);
    }
  });
});
