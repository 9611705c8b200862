#!/usr/bin/env node
// Makes a checkout runnable: `npm start` and `npm test` begin with it. Each step runs only if what it reads has changed or
// what it makes is not there; docs/build.md says what depends on what. It writes to ignored places alone.
import { chmodSync, existsSync, lstatSync, mkdirSync, readlinkSync, rmSync, statSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { addon } from './setup/addon.mjs';
import { SetupError } from './setup/child.mjs';
import { Claim } from './setup/claim.mjs';
import { compile, copies, pruneDist, rules } from './setup/dist.mjs';
import { installPackages, missingForPackages, reasonToInstall } from './setup/packages.mjs';
import { report } from './setup/report.mjs';
import { missingFor, runStep } from './setup/step.mjs';

const OLDEST_NODE = [20, 19];
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
// Standard output belongs to what runs after set-up.
const say = (/** @type {string} */ line) => process.stderr.write(`setup: ${line}\n`);

try {
  await main();
} catch (error) {
  say(`FAILED: ${error instanceof SetupError ? error.message : error instanceof Error ? error.stack : error}`);
  process.exitCode = 1;
}

async function main() {
  const started = performance.now();
  checkNode();
  const claim = await Claim.take(path.join(root, '.setup/claims'), {
    onWait: (holder) => say(`waiting for ${holder}, which is setting this checkout up`),
  });
  try {
    const acted = await runSteps({ root, claim, say });
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    say(`${acted ? 'ready' : 'nothing to do: packages, dist and addon match their sources'} (${seconds} s)`);
  } finally {
    claim.release();
  }
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = OLDEST_NODE;
  if (major < wantedMajor || (major === wantedMajor && minor < wantedMinor)) {
    throw new SetupError(`Node ${process.version} is too old: install Node ${OLDEST_NODE.join('.')} or newer`);
  }
}

/** @param {import('./setup/step.mjs').Context} context */
async function runSteps(context) {
  const steps = stepsFor(context);
  checkPrograms(steps, context);
  const installed = await installPackages(context);
  // Side by side: none reads what another writes. All of them end before a failure is reported, so that no child is left running.
  const results = await Promise.allSettled(steps.map((step) => runStep(step, context)));
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  for (const failure of failures.slice(1)) say(`FAILED: ${failure.message}`);
  if (failures.length > 0) throw failures[0];

  const done = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const stale = pruneDist(
    context.root,
    done.flatMap((result) => result.outputs),
  );
  for (const file of stale) context.say(`removed ${file}: nothing makes it any more`);
  const linked = linkBin(context.root);
  return installed || linked || stale.length > 0 || done.some((result) => result.built);
}

/**
 * All that is lacking is told at once, before anything is begun: an installation takes minutes.
 * @param {import('./setup/step.mjs').Step[]} steps
 * @param {import('./setup/step.mjs').Context} context
 */
function checkPrograms(steps, context) {
  const toInstall = reasonToInstall(context.root) !== undefined;
  const lacks = steps.flatMap((step) => {
    const missing = missingFor(step, context);
    return missing.length === 0 ? [] : [`the ${step.name} needs ${missing.join(', ')}, not found: ${step.remedy}`];
  });
  if (toInstall && missingForPackages().length > 0)
    lacks.push('the packages need npm, not found: install it beside Node');
  if (lacks.length === 0) return;
  if (toInstall)
    lacks.push("the packages are still to be installed: that needs npm's registry, or a cache that holds them");
  throw new SetupError(lacks.join('\n'));
}

/** @param {import('./setup/step.mjs').Context} context */
function stepsFor({ say: tell }) {
  if (process.platform === 'linux') return [compile, rules, copies, report, addon];
  tell(`the addon is built on Linux alone: on ${process.platform} the planner works and devices are not available`);
  return [compile, rules, copies, report];
}

/**
 * `npx lockstep` in the checkout runs this build.
 * @param {string} checkout
 */
function linkBin(checkout) {
  const bin = path.join(checkout, 'dist/cli/main.js');
  const link = path.join(checkout, 'node_modules/.bin/lockstep');
  if (!existsSync(bin))
    throw new SetupError('src/cli/main.ts is missing: package.json names dist/cli/main.js as the command');
  const marked = (statSync(bin).mode & 0o111) === 0o111;
  if (!marked) chmodSync(bin, 0o755);
  const target = path.relative(path.dirname(link), bin);
  if (lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink() && readlinkSync(link) === target) return !marked;
  rmSync(link, { force: true });
  mkdirSync(path.dirname(link), { recursive: true });
  symlinkSync(target, link);
  return true;
}
