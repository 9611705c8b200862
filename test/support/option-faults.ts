import { expect } from 'vitest';
import type { LockstepError } from '../../dist/errors.js';

/** What a completion of options refuses, in its words; nothing where it does not. */
export function optionFaults(complete: (options: never) => unknown, options: object): string[] {
  try {
    complete(options as never);
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    return (error as LockstepError).details.faults as string[];
  }
  return [];
}
