import { LockstepError } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import type { Readiness } from './capture-report.js';
import type { Executor } from './executor.js';

/** What a key's graphs will need, held by a real allocation until they are made. */
export interface Reserve {
  readonly readiness: Readiness;
  /** May be called again. */
  readonly free: () => void;
}

const NOTHING_RESERVED = (): void => {};

/** Allocates `bytes` to hold the place of the key's graphs, or says what is lacking. */
export function reserveFor(executor: Executor, key: CaptureKey, bytes: number): Reserve {
  const { device } = executor;
  const lack = executor.lack(key);
  if (lack !== 'nothing') {
    return { readiness: { ready: false, lackingBytes: 0, reason: lack }, free: NOTHING_RESERVED };
  }
  try {
    const buffer = device.allocate(bytes);
    return { readiness: { ready: true, lackingBytes: 0, reason: 'nothing' }, free: () => buffer.dispose() };
  } catch (error) {
    if (!(error instanceof LockstepError && error.code === 'ERR_DEVICE_MEMORY')) throw error;
    const { limitBytes, allocatedBytes } = device.memory();
    // Where the driver refuses what the limit would allow, it does not say how much it lacks.
    const free = limitBytes === null ? 0 : limitBytes - allocatedBytes;
    return {
      readiness: { ready: false, lackingBytes: Math.max(0, bytes - free), reason: 'memory' },
      free: NOTHING_RESERVED,
    };
  }
}
