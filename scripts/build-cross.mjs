#!/usr/bin/env node
// `npm run build:cross`: the addon for the processors that the package serves and this machine is not, by Debian's cross compilers.
// Run set-up first. With --if-possible, where a compiler is missing that is said, and the exit code is 0.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { SetupError } from './setup/child.mjs';
import { Claim } from './setup/claim.mjs';
import { crossAddon, otherTargets } from './setup/cross-addon.mjs';
import { missingFor, runStep } from './setup/step.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const ifPossible = process.argv.includes('--if-possible');
const say = (/** @type {string} */ line) => process.stderr.write(`cross: ${line}\n`);

try {
  if (process.platform !== 'linux')
    throw new SetupError(`addons are built on Linux alone, this is ${process.platform}`);
  const claim = await Claim.take(path.join(root, '.setup/claims'), {
    onWait: (holder) => say(`waiting for ${holder}, which is setting this checkout up`),
  });
  try {
    for (const arch of otherTargets()) await build(arch, { root, claim, say });
  } finally {
    claim.release();
  }
} catch (error) {
  say(`FAILED: ${error instanceof SetupError ? error.message : error instanceof Error ? error.stack : error}`);
  process.exitCode = ifPossible && error instanceof SetupError && process.platform !== 'linux' ? 0 : 1;
}

/**
 * @param {import('./setup/cross-addon.mjs').Arch} arch
 * @param {import('./setup/step.mjs').Context} context
 */
async function build(arch, context) {
  const step = crossAddon(arch);
  const missing = missingFor(step, context);
  if (missing.length > 0) {
    const lack = `the addon for ${arch} needs ${missing.join(', ')}, not found: ${step.remedy}`;
    if (!ifPossible) throw new SetupError(lack);
    context.say(`not built: ${lack}`);
    return;
  }
  const { built } = await runStep(step, context);
  if (!built) context.say(`nothing to do: the addon for ${arch} matches its sources`);
}
