import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { hashBytes, hashFile, isMissing } from './files.mjs';

/**
 * What every step works with.
 * @typedef {object} Context
 * @property {string} root the checkout
 * @property {import('./claim.mjs').Claim} claim
 * @property {(line: string) => void} say
 */

/**
 * One thing set-up builds.
 * @typedef {object} Step
 * @property {string} name
 * @property {string} does what it makes from what, for the reader of the log
 * @property {(context: Context) => Inputs} inputs content hash or version of all that reaches the outputs, by name
 * @property {() => string[]} [missing] programs the build needs and that are not here
 * @property {string} [remedy] how to get them
 * @property {(context: Context, changed?: string[]) => Promise<string[]>} build makes the outputs and returns their paths relative
 *   to the root; `changed` names the inputs that differ from those of the last build, absent if none was finished
 */

/**
 * Undefined is what cannot be told here; it counts as unchanged.
 * @typedef {Record<string, string | undefined>} Inputs
 */

/** @typedef {{ inputs: Inputs, outputs: Record<string, string> }} Stamp */

/**
 * Builds a step unless its stamp says that these inputs made the outputs that lie there. Returns the outputs and whether it built.
 * @param {Step} step
 * @param {Context} context
 * @returns {Promise<{ outputs: string[], built: boolean }>}
 */
export async function runStep(step, context) {
  const inputs = step.inputs(context);
  const stamp = readStamp(context.root, step.name);
  const reason = reasonToBuild(context.root, stamp, inputs);
  if (reason === undefined) return { outputs: Object.keys(stamp?.outputs ?? {}), built: false };

  context.say(`${step.name}: ${step.does}, because ${reason}`);
  const started = performance.now();
  // An interrupted step has no stamp for what it left half done.
  rmSync(stampFile(context.root, step.name), { force: true });
  const outputs = await step.build(context, stamp && changedInputs(stamp, inputs));
  writeStamp(context.root, step.name, { inputs, outputs: hashAll(context.root, outputs) });
  context.say(`${step.name}: done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  return { outputs, built: true };
}

/**
 * The programs that a step needs, has to run, and does not find.
 * @param {Step} step
 * @param {Context} context
 * @returns {string[]}
 */
export function missingFor(step, context) {
  const missing = step.missing?.() ?? [];
  if (missing.length === 0) return [];
  return reasonToBuild(context.root, readStamp(context.root, step.name), step.inputs(context)) === undefined
    ? []
    : missing;
}

/**
 * Why a step has to run, or undefined if it has not.
 * @param {string} root
 * @param {Stamp | undefined} stamp
 * @param {Inputs} inputs
 * @returns {string | undefined}
 */
function reasonToBuild(root, stamp, inputs) {
  if (stamp === undefined) return 'it has not been done here';
  const changed = changedInputs(stamp, inputs);
  const [first] = changed;
  if (first !== undefined) {
    const verb = inputs[first] === undefined ? 'is gone' : stamp.inputs[first] === undefined ? 'is new' : 'has changed';
    return `${first} ${verb}${changed.length > 1 ? ` (and ${changed.length - 1} more)` : ''}`;
  }
  for (const [file, hash] of Object.entries(stamp.outputs)) {
    const found = hashFile(path.join(root, file));
    if (found !== hash) return `${file} ${found === undefined ? 'is missing' : 'is not what was built'}`;
  }
  return undefined;
}

/** @param {Stamp} stamp @param {Inputs} inputs */
function changedInputs(stamp, inputs) {
  const names = new Set([...Object.keys(inputs), ...Object.keys(stamp.inputs)]);
  const isUnknown = (/** @type {string} */ name) => name in inputs && inputs[name] === undefined;
  return [...names].filter((name) => inputs[name] !== stamp.inputs[name] && !isUnknown(name));
}

/**
 * Content hashes by path.
 * @param {string} root
 * @param {string[]} files relative to root
 * @returns {Record<string, string>}
 */
export function hashAll(root, files) {
  return Object.fromEntries(files.map((file) => [file, hashFile(path.join(root, file)) ?? '']));
}

/**
 * The scripts of set-up are an input of every step: a changed flag or rule rebuilds what it governs.
 * @param {Record<string, unknown>} rules whatever decides a step's result beside its files
 * @returns {Record<string, string>}
 */
export function hashRules(rules) {
  return Object.fromEntries(Object.entries(rules).map(([name, value]) => [name, hashBytes(JSON.stringify(value))]));
}

/** @param {string} root @param {string} name */
function stampFile(root, name) {
  return path.join(root, '.setup/stamps', `${name}.json`);
}

/** @param {string} root @param {string} name @returns {Stamp | undefined} */
function readStamp(root, name) {
  try {
    return JSON.parse(readFileSync(stampFile(root, name), 'utf8'));
  } catch (error) {
    // A stamp cut short by a full disk is no stamp.
    if (isMissing(error) || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** @param {string} root @param {string} name @param {Stamp} stamp */
function writeStamp(root, name, stamp) {
  const file = stampFile(root, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(`${file}.part`, JSON.stringify(stamp));
  renameSync(`${file}.part`, file);
}
