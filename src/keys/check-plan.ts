import { checkHas, Faults } from '../checks.js';
import type { Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { MAX_QUERY_LENS } from '../layout/index.js';
import type { CheckedPolicy } from '../policy/index.js';
import { type CaptureKey, decodeKey } from './capture-key.js';
import { type CapturePlan, divides, queryLens } from './capture-plan.js';

/** Most graphs of a plan: installing one looks at every pair of them. */
const MAX_KEYS = 1 << 15;

const KEY_FIELDS = Object.keys(decodeKey(1, 1, 1)) as readonly (keyof CaptureKey)[];

/** Throws `ERR_CONFIG_INVALID` with everything that keeps `plan` from being run under `limits` and `policy`. */
export function checkPlan(plan: CapturePlan, limits: Limits, policy: CheckedPolicy): void {
  checkHas('a capture plan', plan, []);
  if (!Array.isArray(plan.keys)) {
    throw new LockstepError('ERR_CONFIG_INVALID', 'A capture plan must have its graphs in an array named keys', {
      plan,
    });
  }
  if (plan.keys.length > MAX_KEYS) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `A capture plan has ${plan.keys.length} graphs; it can have ${MAX_KEYS} at most: leave out those of sizes near each other`,
      { keys: plan.keys.length, limit: MAX_KEYS },
    );
  }
  const faults = new Faults();
  const seen = new Set<string>();
  for (const [index, key] of plan.keys.entries()) {
    const name = `keys[${index}]`;
    if (typeof key !== 'object' || key === null) {
      faults.check(false, `${name} is ${shown(key)}; it must be a capture key`);
      continue;
    }
    faults.names(name, key, KEY_FIELDS);
    if (key.mode === 'piecewise') checkPiecewise(faults, name, key);
    else if (key.mode === 'full' && key.prefillRequests > 0) checkMixed(faults, name, key, limits);
    else checkDecode(faults, name, key, limits, policy);
    faults.integer(`${name}.variant`, key.variant, 0, 2 ** 31 - 1);
    faults.integer(`${name}.collectives`, key.collectives, 0, 2 ** 31 - 1);
    faults.check(
      !Number.isInteger(key.tokens) || key.tokens % policy.tokenAlignment === 0,
      `${name}.tokens is ${key.tokens}; it must be a multiple of the policy's tokenAlignment (${policy.tokenAlignment})`,
    );
    const value = KEY_FIELDS.map((field) => key[field]).join();
    faults.check(!seen.has(value), `${name} repeats an earlier key`);
    seen.add(value);
  }
  faults.throwIfAny('This capture plan');
  const lengths = queryLens(plan);
  faults.check(
    lengths.length <= MAX_QUERY_LENS,
    `the plan has ${lengths.length} query lengths (${lengths.join(', ')}); at most ${MAX_QUERY_LENS} fit`,
  );
  faults.throwIfAny('This capture plan');
}

function checkDecode(faults: Faults, name: string, key: CaptureKey, limits: Limits, policy: CheckedPolicy): void {
  faults.check(key.mode === 'full', `${name}.mode is ${shown(key.mode)}; it must be "full" or "piecewise"`);
  faults.check(
    key.prefillRequests === 0,
    `${name}.prefillRequests is ${shown(key.prefillRequests)}; it must be an integer of at least 0`,
  );
  const counted = [
    faults.integer(`${name}.queryLen`, key.queryLen, 1, limits.queryLen),
    faults.integer(`${name}.decodeRequests`, key.decodeRequests, 1, 1 << 16),
  ].every(Boolean);
  faults.check(
    key.tokens === key.decodeRequests * key.queryLen && key.maxQueryLen === key.queryLen,
    `${name}: tokens must be decodeRequests * queryLen, and maxQueryLen queryLen`,
  );
  faults.check(
    !counted || key.parts === 1 || (key.parts === policy.ubatches && divides(key.decodeRequests, key.queryLen, policy)),
    `${name}.parts is ${key.parts}; it must be 1, or the policy's ubatches (${policy.ubatches}) with a whole aligned request in each part`,
  );
}

function checkMixed(faults: Faults, name: string, key: CaptureKey, limits: Limits): void {
  faults.integer(`${name}.tokens`, key.tokens, 1, 1 << 22);
  faults.integer(`${name}.prefillRequests`, key.prefillRequests, 1, 1 << 16);
  faults.integer(`${name}.decodeRequests`, key.decodeRequests, 0, 1 << 16);
  faults.check(
    key.tokens >= key.prefillRequests + key.decodeRequests,
    `${name}.tokens is ${key.tokens}; its ${key.prefillRequests} + ${key.decodeRequests} requests need at least one token each`,
  );
  faults.integer(`${name}.queryLen`, key.queryLen, key.decodeRequests > 0 ? 1 : 0, limits.queryLen);
  faults.integer(`${name}.maxQueryLen`, key.maxQueryLen, Math.max(1, key.queryLen || 0), 1 << 22);
  faults.check(key.parts === 1, `${name}.parts is ${key.parts}; graphs with prefill slots have one part`);
}

function checkPiecewise(faults: Faults, name: string, key: CaptureKey): void {
  faults.integer(`${name}.tokens`, key.tokens, 1, 1 << 22);
  for (const field of ['prefillRequests', 'decodeRequests', 'queryLen', 'maxQueryLen'] as const) {
    faults.check(key[field] === 0, `${name}.${field} is ${shown(key[field])}; a piecewise graph has none (0)`);
  }
  faults.check(key.parts === 1, `${name}.parts is ${key.parts}; piecewise graphs have one part`);
}
