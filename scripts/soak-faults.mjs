// Field tests of faults: npm run soak:faults -- --runs 200 --seed S. docs/ranks.md, "Faults, for tests".
import { parseArgs } from 'node:util';
import { commandOf, runCase } from '../test/fixtures/faults/job.mjs';
import { complaints, latency } from '../test/fixtures/faults/judge.mjs';
import { caseOf, KINDS, TRANSPORTS } from '../test/fixtures/faults/kinds.mjs';
import { notesFile, readNotes, writeNote } from '../test/fixtures/faults/notes.mjs';

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
const [runs, seed, jobs] = ['runs', 'seed', 'jobs'].map(wholeNumber);
const only = values.only === undefined ? undefined : wholeNumber('only');
const { transport: wanted } = values;
if (runs === 0 || jobs === 0) refuse('--runs and --jobs are 1 at least');
if (wanted !== undefined && !TRANSPORTS.includes(wanted)) {
  refuse(`--transport is ${wanted}; there are ${TRANSPORTS.join(' and ')}`);
}
const progress = values.progress ?? notesFile(seed);
const every = Array.from({ length: runs * KINDS.length * TRANSPORTS.length }, (_, index) => index);
const selected = new Set(
  (only === undefined ? every : [only]).filter(
    (index) => wanted === undefined || caseOf(seed, index).transport === wanted,
  ),
);
if (selected.size === 0) {
  refuse(`--only ${only} is a case on ${caseOf(seed, only).transport}, and --transport is ${wanted}: no case is left`);
}
const transports = wanted === undefined ? `each of ${TRANSPORTS.length} transports` : wanted;
console.log(
  only === undefined
    ? `faults: seed ${seed}, ${runs} of each of ${KINDS.length} kinds on ${transports}; noted in ${progress}`
    : `faults: seed ${seed}, case ${only}`,
);

/** Notes of the cases that were asked for. */
const done = only === undefined ? noted() : new Map();
const left = [...selected].filter((index) => !done.has(index));
if (done.size > 0) console.log(`${done.size} cases were done before, ${left.length} are left`);
const next = left.values();
await Promise.all(Array.from({ length: jobs }, work));
report();

/** The number of an option. @param {'runs' | 'seed' | 'jobs' | 'only'} name */
function wholeNumber(name) {
  const text = values[name];
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    refuse(`--${name} is ${text}; it takes a whole number`);
  return Number(text);
}

function refuse(message) {
  console.error(`faults: ${message}`);
  process.exit(2);
}

function noted() {
  try {
    return new Map([...readNotes(progress, seed)].filter(([index]) => selected.has(index)));
  } catch (error) {
    return refuse(error.message);
  }
}

async function work() {
  for (const index of next) {
    const given = caseOf(seed, index);
    const outcome = await runCase(given);
    const { kind, rank, step } = given.fault;
    const broken = complaints(outcome);
    const { transport } = given;
    const result = { seed, index, kind, transport, ms: latency(outcome), seconds: outcome.seconds, broken };
    done.set(index, result);
    if (only === undefined) writeNote(progress, result);
    if (broken.length === 0 && only === undefined) continue;
    const { env, args } = commandOf(given, 'FOLDER');
    const settings = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    console.log(
      `case ${index}: ${kind} of rank ${rank} in step ${step} on ${transport}, ${outcome.seconds.toFixed(1)} s`,
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
