import path from 'node:path';
import { expect, test } from 'vitest';
import { root } from '../support/cli.js';
import { runs, SEED } from '../support/property-runs.js';
import { loadBuild } from '../support/simulation/build.js';
import { campaign } from '../support/simulation/campaign.js';
import { FAULT_KINDS } from '../support/simulation/faults.js';

/** A million with LOCKSTEP_RUNS=10, which is what `npm run test:soak` takes. */
const STEPS = runs(100_000).numRuns as number;

test('groups of four ranks keep their laws under faults, over new seeds', { timeout: 3_600_000 }, async () => {
  const build = await loadBuild(path.join(root, 'dist'));
  const onProgress = (steps: number, seed: number): void =>
    console.log(`simulation: ${Math.round(steps)} of ${STEPS} steps, up to seed ${seed}`);
  const found = await campaign(build, SEED, { steps: STEPS, onProgress });
  // `.ci/run` shows lines that begin so.
  console.log(
    `\nnote: simulation: ${found.runs} runs, seeds ${SEED} to ${SEED + found.runs - 1}, ${found.steps} steps of 4 ranks`,
  );
  for (const [kind, count] of [...found.kinds].sort()) console.log(`  ${count} with: ${kind}`);
  if (found.failure !== null) throw found.failure;
  if (STEPS >= 100_000) expect([...found.kinds.keys()].sort()).toEqual([...FAULT_KINDS].sort());
});
