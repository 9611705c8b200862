import { checkArguments, checkHas, Faults } from '../checks.js';
import { LockstepError, shown } from '../errors.js';
import { readWhole } from '../input/index.js';
import { type CaptureKey, type CapturePlan, decodeKey } from '../keys/index.js';
import { writeDocument } from '../output/index.js';
import {
  type CheckedPolicy,
  completeCheckedPolicy,
  completePolicy,
  LOCKSTEP_POLICY,
  type Policy,
} from '../policy/index.js';

/** How a file is read or written. */
export interface FileOptions {
  /** Ends the wait for a file that cannot be opened yet, such as a pipe without a writer, with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

/** A capture plan with the policy it was made for, as `--plan-out` writes it and `--plan` reads it. */
export interface PlanFile<P = Policy> {
  /** Version of the file's form. */
  readonly schemaVersion: 1;
  /** The policy that the graphs are for. */
  readonly policy: P;
  /** The graphs. */
  readonly plan: CapturePlan;
  /** Most tokens of a decode that they were captured for. Not said: what the graphs of decodes alone have. */
  readonly queryLen?: number;
}

/** How a plan file is written. */
export interface PlanFileOptions extends FileOptions {
  /** Most tokens of a decode that the graphs are captured for; those with slots for any length do not say it. */
  readonly queryLen?: number | undefined;
}

/**
 * Writes a policy and the keys captured under it as JSON, for `readPlanFile`. A file that was there is replaced whole or not at
 * all. Errors: ERR_INPUT_INVALID, ERR_ABORTED.
 */
export function writePlanFile(
  path: string,
  policy: Policy,
  plan: CapturePlan,
  options: PlanFileOptions = {},
): Promise<void> {
  checkArguments('writePlanFile', { path: [path, 'text'], options: [options, 'object'] });
  return writeDocument(path, planFileText(policy, plan, options), options.signal);
}

/** The text of a plan file: a policy and the keys captured under it. Errors: ERR_INPUT_INVALID, ERR_CONFIG_INVALID. */
export function planFileText(
  policy: Policy,
  plan: CapturePlan,
  options: Pick<PlanFileOptions, 'queryLen'> = {},
): string {
  checkHas('a capture plan', plan, ['keys']);
  checkArguments('planFileText', { keys: [plan.keys, 'objects'], options: [options, 'object'] });
  const { queryLen } = options;
  checkQueryLen(queryLen, 'This plan file');
  return `${JSON.stringify({ schemaVersion: 1, policy: completePolicy(policy), queryLen, keys: plan.keys }, null, 2)}\n`;
}

/** Errors: ERR_INPUT_INVALID for a file that cannot be read or is no plan, ERR_CONFIG_INVALID for what is in it; ERR_ABORTED. */
export function readPlanFile(path: string, options: FileOptions = {}): Promise<PlanFile> {
  return readPlan(path, options, (given) => completePolicy(given as Partial<Policy>));
}

/** The same for the checker: the policy in the file may name former rules. */
export function readCheckedPlanFile(path: string, options: FileOptions = {}): Promise<PlanFile<CheckedPolicy>> {
  return readPlan(path, options, completeCheckedPolicy);
}

async function readPlan<P>(
  path: string,
  options: FileOptions,
  complete: (given: Partial<CheckedPolicy>) => P,
): Promise<PlanFile<P>> {
  const value = await readJson(path, options, '{"schemaVersion": 1, "policy": {…}, "keys": [{…}]}');
  const { schemaVersion, policy, keys, queryLen } = (value ?? {}) as {
    schemaVersion?: unknown;
    policy?: unknown;
    queryLen?: number;
    keys?: unknown;
  };
  if (schemaVersion !== 1 || !Array.isArray(keys) || typeof policy !== 'object' || policy === null) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${path} is not a plan file: expected {"schemaVersion": 1, "policy": {…}, "keys": [{…}]}`,
      { path },
    );
  }
  const faults = new Faults();
  faults.names(path, value as object, ['schemaVersion', 'policy', 'queryLen', 'keys']);
  const names = Object.keys(decodeKey(1, 1, 1));
  for (const [index, key] of keys.entries()) {
    if (typeof key !== 'object' || key === null)
      faults.check(false, `keys[${index}] is ${shown(key)}; it must be an object with ${names.join(', ')}`);
    else for (const name of names) faults.check(name in key, `keys[${index}] lacks ${name}`);
  }
  faults.throwIfAny(`The plan in ${path}`);
  checkQueryLen(queryLen, `The plan in ${path}`);
  const plan = { keys: keys as CaptureKey[] };
  return {
    schemaVersion: 1,
    policy: policyIn(path, policy, complete),
    plan,
    ...(queryLen !== undefined && { queryLen }),
  };
}

function checkQueryLen(queryLen: unknown, what: string): void {
  const faults = new Faults();
  const isWhole = Number.isInteger(queryLen) && (queryLen as number) >= 1 && (queryLen as number) <= 1 << 10;
  faults.check(
    queryLen === undefined || isWhole,
    `queryLen is ${shown(queryLen)}; it must be an integer from 1 to ${1 << 10}`,
  );
  faults.throwIfAny(what);
}

/** A policy by name, ours or an engine's, or from a JSON file that holds one. Errors: ERR_CONFIG_INVALID for a wrong name, or for what is in the file; ERR_INPUT_INVALID for a file that cannot be read; ERR_ABORTED. */
export async function readPolicy(nameOrPath: string, options: FileOptions = {}): Promise<Partial<Policy>> {
  if (typeof nameOrPath !== 'string') {
    throw new LockstepError('ERR_CONFIG_INVALID', `a policy is named by a text, not by ${shown(nameOrPath)}`);
  }
  // Ranks write logs with this room, and need no engine.
  const { isPolicyName, namedPolicy, policyNames } = await import('../engines/index.js');
  if (isPolicyName(nameOrPath)) return namedPolicy(nameOrPath);
  if (!nameOrPath.includes('.') && !nameOrPath.includes('/')) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `No policy is called ${nameOrPath}: there are ${policyNames().join(', ')}, or give the path of a JSON file with one`,
      { policy: nameOrPath, names: policyNames() },
    );
  }
  const value = await readJson(nameOrPath, options, `a policy such as ${JSON.stringify(LOCKSTEP_POLICY)}`);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${nameOrPath} is not a policy: expected an object such as ${JSON.stringify(LOCKSTEP_POLICY)}`,
      { path: nameOrPath },
    );
  }
  // Former rules are for the checker, and refused by whoever takes none.
  policyIn(nameOrPath, value, completeCheckedPolicy);
  return value as Partial<Policy>;
}

/** What `complete` makes of the policy in a file. Its faults are those of the file, and of no option that a caller may set. */
function policyIn<P>(path: string, given: Partial<CheckedPolicy>, complete: (given: Partial<CheckedPolicy>) => P): P {
  try {
    return complete(given);
  } catch (error) {
    const found = error instanceof LockstepError ? error.details.faults : undefined;
    if (!Array.isArray(found)) throw error;
    const faults = new Faults();
    for (const fault of found) faults.check(false, String(fault));
    faults.throwIfAny(`The policy in ${path}`);
    throw error;
  }
}

async function readJson(path: string, options: FileOptions, expected: string): Promise<unknown> {
  const text = await readWhole(path, options);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${path} is not JSON (${(error as Error).message}); expected ${expected}`,
      { path },
      { cause: error },
    );
  }
}
