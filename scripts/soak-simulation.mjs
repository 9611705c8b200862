// `npm run soak:simulation -- --steps 1000000 --seed 7`: simulated groups of ranks with faults, seed after seed, until so many steps.
// --seed is that of the first run, new by default: with the one that a failure names and --steps 1, that run comes again.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({ options: { steps: { type: 'string', default: '1000000' }, seed: { type: 'string' } } });
for (const [name, given] of Object.entries(values)) {
  if (/^[0-9]{1,12}$/.test(given)) continue;
  console.error(`--${name} is ${given}; give a number, 0 or more.`);
  process.exit(2);
}
// The test takes 100,000 steps times LOCKSTEP_RUNS.
const env = { ...process.env, LOCKSTEP_RUNS: String(Number(values.steps) / 100_000) };
if (values.seed !== undefined) env.LOCKSTEP_SEED = values.seed;
const vitest = path.join(root, 'node_modules/vitest/vitest.mjs');
const run = ['run', '--project', 'soak', 'test/soak/simulation.test.ts'];
const { status } = spawnSync(process.execPath, [vitest, ...run], { cwd: root, env, stdio: 'inherit' });
process.exit(status ?? 1);
