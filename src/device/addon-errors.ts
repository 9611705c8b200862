import { LockstepError } from '../errors.js';

export { guarded, lockstepError } from '../native/index.js';

export function inputInvalid(name: string, value: unknown, expected: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${name} is ${describe(value)}; give ${expected}.`, {
    name,
    value: describe(value),
  });
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  return typeof value === 'object' && value !== null ? 'another object' : String(value);
}
