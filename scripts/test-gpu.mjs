#!/usr/bin/env node
// `npm run test:gpu`: the suites of devices, collectives and execution, each mode of a model, the main job and the bench, on the GPU that is here. Needs what
// set-up makes, and no network: docs/build.md says how to carry it. Prints JSON at the end, whose `validation` is what
// src/device/validation.ts takes. LOCKSTEP_TEST_DEVICE is 'cuda' or 'hip'; with LOCKSTEP_REQUIRE_GPU=1 whatever was not run fails.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildReplay } from '../test/gpu/build.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const required = process.env.LOCKSTEP_REQUIRE_GPU === '1';
const results = path.join(root, '.setup/gpu/results.json');
/** What each part may take, in seconds: 12 minutes together. */
const LIMITS = { suites: 270, modes: 240, job: 50, model: 50, bench: 90, replay: 20 };
const SUITES = [
  ...['kernels', 'memory', 'misuse', 'pool'].map((name) => `test/unit/device/${name}.test.ts`),
  'test/unit/execution',
  'test/unit/runtime/rank.test.ts',
  // The others need a model beside the checkout.
  'test/unit/decoder/invariance.test.ts',
];
/** A model's tokens and bits of logits in every mode, each with enough steps of it. */
const MODES = ['test/unit/run/model-matrix.test.ts'];
const JOB = ['run', '--requests', '40', '--json'];

const say = (/** @type {string} */ line) => process.stderr.write(`test:gpu: ${line}\n`);

const { card, driver, kind } = await findCard();
if (card === undefined || driver === undefined) {
  say(`not run: there is no GPU. lockstep doctor says why`);
  process.exit(required ? 1 : 0);
}
const hardware = !card.standIn;
say(`${card.name}, driver ${driver.version}, on ${kind}`);
if (!hardware) say('this is a stand-in of the tests, and no GPU: nothing of this is a run on hardware');

/** @type {Record<string, unknown>} */
const measured = {};
/** @type {string[]} */
const failures = [];
part('suites', (timeout) => tests('tests', SUITES, timeout));
part('modes', (timeout) => tests('modes', MODES, timeout, { LOCKSTEP_RUNS: '1' }));
part('job', mainJob);
part('model', modelJob);
part('bench', bench);
part('replay', replay);
if (required && !hardware) failures.push('a GPU is required, and a stand-in answered');

const date = new Date().toISOString().slice(0, 10);
const by = 'npm run test:gpu';
const validation = validated(failures.length === 0 && hardware);
console.log(
  JSON.stringify(
    { schemaVersion: 1, hardware, device: card.name, driver: driver.version, date, failures, measured, validation },
    null,
    2,
  ),
);
for (const failure of failures) say(`FAILED: ${failure}`);
process.exitCode = failures.length === 0 ? 0 : 1;

/**
 * Entries of the list of src/device/validation.ts: those parts that ran on hardware, and none where anything failed.
 * @param {boolean} ran
 */
function validated(ran) {
  if (!ran) return [];
  const features = [
    'driver loading, errors, choice of a card',
    'pinned planner memory',
    'memory, streams, events, captures, graphs; `run` with thread ranks on one card',
    'kernels',
  ];
  return features.map((feature) => ({
    backend: kind,
    feature,
    state: 'ran on hardware',
    by,
    device: card?.name,
    driver: driver?.version,
    date,
  }));
}

async function findCard() {
  const { probeDevices } = await import('../dist/device/index.js');
  const wanted = process.env.LOCKSTEP_TEST_DEVICE;
  const probes = probeDevices().filter((one) => one.cards.length > 0 && (wanted === undefined || one.kind === wanted));
  const [probe] = probes;
  return {
    card: probe?.cards[0],
    driver: probe?.driver ?? undefined,
    kind: /** @type {'cuda' | 'hip'} */ (probe?.kind),
  };
}

/**
 * @param {keyof typeof LIMITS} name
 * @param {(limit: number) => void} work
 */
function part(name, work) {
  const began = performance.now();
  try {
    work(LIMITS[name] * 1000);
  } catch (error) {
    failures.push(`${name}: ${error instanceof Error ? error.message : error}`);
  }
  say(`${name}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
}

/**
 * Tests on the GPU, all of which must pass.
 * @param {string} name of what they measured: how many passed
 * @param {readonly string[]} files
 * @param {number} timeout
 * @param {Readonly<Record<string, string>>} [environment]
 */
function tests(name, files, timeout, environment = {}) {
  mkdirSync(path.dirname(results), { recursive: true });
  rmSync(results, { force: true });
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'test',
    '--reporter=json',
    `--outputFile=${results}`,
    ...files,
  ];
  const { status } = spawnSync(process.execPath, args, {
    cwd: root,
    timeout,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment, LOCKSTEP_TEST_DEVICE: kind },
  });
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(results, 'utf8'));
  measured[name] = { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests };
  if (status !== 0) throw new Error(`${numFailedTests} tests failed`);
  if (required && numPendingTests > 0) throw new Error(`${numPendingTests} tests were skipped`);
}

/** The main job decides and computes on the GPU what it does on the host. @param {number} timeout */
function mainJob(timeout) {
  const decided = [kind, 'host'].map((device) => {
    const { device: _, deviceChoice, seconds, ...rest } = lockstep([...JOB, '--device', device], timeout);
    return rest;
  });
  const [here, host] = decided.map((one) => JSON.stringify(one));
  if (here !== host) throw new Error(`the GPU's run differs from the host's: ${here} and ${host}`);
  if (decided[0].mismatches !== 0) throw new Error(`${decided[0].mismatches} requests computed something else`);
  measured.job = { compared: decided[0].compared, mismatches: 0 };
}

/** A model on the GPU says what one eager rank of it says, tokens and bits of logits, and what the host says. @param {number} timeout */
function modelJob(timeout) {
  const job = [
    'run',
    '--model',
    'random:moe',
    '--requests',
    '16',
    '--prompt-scale',
    '0.05',
    '--ubatches',
    '2',
    '--json',
  ];
  const [here, host] = [kind, 'host'].map((device) => lockstep([...job, '--device', device], timeout));
  if (here.mismatches !== 0 || here.compared !== host.compared) {
    throw new Error(`${here.mismatches} of ${here.compared} tokens differ: ${JSON.stringify(here.firstMismatches)}`);
  }
  measured.model = { compared: here.compared, mismatches: 0, tokensPerSecond: here.tokensPerSecond };
}

/** @param {number} timeout */
function bench(timeout) {
  measured.bench = lockstep(['bench', '--device', kind, '--json'], timeout);
}

/** The same launches and the same graph, by a program in C++. @param {number} timeout */
function replay(timeout) {
  const image = kind === 'cuda' ? path.join(kernels(), 'lockstep.fatbin') : (process.env.LOCKSTEP_HIP_IMAGE ?? '');
  const library = driver?.library ?? '';
  measured.replay = JSON.parse(execFileSync(buildReplay(kind), [library, image], { encoding: 'utf8', timeout }));
}

function kernels() {
  const place = path.join(root, 'prebuilds/kernels');
  if (!existsSync(place)) throw new Error(`${place} is not there: run npm run setup`);
  return place;
}

/**
 * @param {string[]} args
 * @param {number} timeout
 */
function lockstep(args, timeout) {
  const text = execFileSync(process.execPath, ['dist/cli/main.js', ...args], {
    cwd: root,
    encoding: 'utf8',
    timeout,
    stdio: ['ignore', 'pipe', 2],
  });
  return JSON.parse(text);
}
