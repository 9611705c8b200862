// Field tests of faults: npm run soak:faults -- --runs 200 --seed S. docs/ranks.md, "Faults, for tests".
import { appendFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { commandOf, runCase } from '../test/fixtures/faults/job.mjs';
import { complaints, latency } from '../test/fixtures/faults/judge.mjs';
import { caseOf, KINDS, TRANSPORTS } from '../test/fixtures/faults/kinds.mjs';

const { values } = parseArgs({
  options: {
    /** Cases of each kind on each transport. */
    runs: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    /** One case alone, by its index. */
    only: { type: 'string' },
    /** Where each case is noted, so that an interrupted soak goes on. */
    progress: { type: 'string' },
    /** Jobs at a time. */
    jobs: { type: 'string', default: '2' },
    transport: { type: 'string' },
  },
});
const [runs, seed, jobs] = [values.runs, values.seed, values.jobs].map(Number);
if (![runs, seed, jobs].every((value) => Number.isSafeInteger(value) && value >= 0) || jobs === 0) {
  throw new Error('--runs, --seed and --jobs take whole numbers');
}
const progress = values.progress ?? path.join('.setup', 'soak', `faults-${seed}.jsonl`);
console.log(
  `faults: seed ${seed}, ${runs} of each of ${KINDS.length} kinds on each of ${TRANSPORTS.length} transports; noted in ${progress}`,
);

const done = values.only === undefined ? noted() : new Map();
const indices =
  values.only === undefined
    ? Array.from({ length: runs * KINDS.length * TRANSPORTS.length }, (_, index) => index)
    : [Number(values.only)];
const left = indices.filter(
  (index) => !done.has(index) && (values.transport === undefined || caseOf(seed, index).transport === values.transport),
);
if (done.size > 0) console.log(`${done.size} cases were done before, ${left.length} are left`);
mkdirSync(path.dirname(progress), { recursive: true });
const next = left.values();
await Promise.all(Array.from({ length: jobs }, work));
report();

/** Cases that an earlier soak of this seed has noted. A line that it was killed in is not one. */
function noted() {
  const lines = existsSync(progress) ? readFileSync(progress, 'utf8').split('\n').slice(0, -1) : [];
  return new Map(lines.map((line) => JSON.parse(line)).map((each) => [each.index, each]));
}

async function work() {
  for (const index of next) {
    const given = caseOf(seed, index);
    const outcome = await runCase(given);
    const { kind, rank, step } = given.fault;
    const broken = complaints(outcome);
    const result = { index, kind, transport: given.transport, ms: latency(outcome), seconds: outcome.seconds, broken };
    done.set(index, result);
    if (values.only === undefined) appendFileSync(progress, `${JSON.stringify(result)}\n`);
    if (broken.length === 0 && values.only === undefined) continue;
    const { env, args } = commandOf(given, 'FOLDER');
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    console.log(
      `case ${index}: ${kind} of rank ${rank} in step ${step} on ${given.transport}, ${outcome.seconds.toFixed(1)} s`,
    );
    for (const what of broken) console.log(`  ${what}`);
    console.log(
      `  again: npm run soak:faults -- --seed ${seed} --only ${index}\n  or: ${[...settings, ...args].join(' ')}`,
    );
  }
}

function report() {
  let failed = 0;
  for (const transport of TRANSPORTS) {
    for (const kind of KINDS) {
      const of = [...done.values()].filter((each) => each.kind === kind && each.transport === transport);
      if (of.length === 0) continue;
      const broken = of.filter(({ broken }) => broken.length > 0).length;
      failed += broken;
      const worst = Math.max(...of.map(({ ms }) => ms));
      const mean = of.reduce((sum, { seconds }) => sum + seconds, 0) / of.length;
      console.log(
        `${transport} ${kind}: ${of.length - broken} of ${of.length} as they must be; the last survivor knew after ${worst} ms at most; ${mean.toFixed(1)} s each`,
      );
    }
  }
  console.log(`${done.size - failed} passed, ${failed} failed (seed ${seed})`);
  if (failed > 0) process.exitCode = 1;
}
