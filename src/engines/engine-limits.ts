import { Faults } from '../checks.js';
import { DEFAULT_LIMITS, type Limits } from '../config.js';
import { LockstepError, shown } from '../errors.js';
import { ENGINE_NAMES, type EngineName } from '../names.js';

/** What an engine's ladder depends on; the planner's limits have all of it. */
export type EngineLimits = Pick<Limits, 'maxNumSeqs' | 'maxNumBatchedTokens' | 'queryLen'> &
  Partial<Pick<Limits, 'maxModelLen'>>;

/** Sizes in requests as tokens. */
export function inTokens(requests: readonly number[], queryLen: number): number[] {
  return requests.map((count) => count * queryLen);
}

/** Throws ERR_CONFIG_INVALID unless `engine` is known. */
export function checkEngine(engine: EngineName): void {
  if (ENGINE_NAMES.includes(engine)) return;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `${shown(engine)} is not a known engine; there are ${ENGINE_NAMES.join(', ')}`,
    { engine, names: ENGINE_NAMES },
  );
}

/** The limits with their defaults. Errors: ERR_CONFIG_INVALID with every fault at once. */
export function checkLimits(limits: EngineLimits): Required<EngineLimits> {
  const { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen = DEFAULT_LIMITS.maxModelLen } = limits;
  const faults = new Faults();
  faults.integer('maxNumSeqs', maxNumSeqs, 1, 1 << 16);
  faults.integer('maxNumBatchedTokens', maxNumBatchedTokens, 1, 1 << 22);
  faults.integer('maxModelLen', maxModelLen, 1, 1 << 28);
  if (faults.integer('queryLen', queryLen, 1, 1 << 10)) {
    faults.check(
      !(maxNumBatchedTokens < queryLen),
      `maxNumBatchedTokens (${maxNumBatchedTokens}) is below queryLen (${queryLen}): not one decode would fit a step`,
      'maxNumBatchedTokens',
      'queryLen',
    );
  }
  faults.throwIfAny('These limits');
  return { maxNumSeqs, maxNumBatchedTokens, queryLen, maxModelLen };
}
