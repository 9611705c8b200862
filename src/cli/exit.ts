import { type ErrorCode, LockstepError } from '../errors.js';

/** Exit codes: 0 done, 1 a check failed, 2 bad input or usage, 3 device or transport unavailable, 130 and 143 signals. */
export const EXIT = { done: 0, failed: 1, usage: 2, unavailable: 3, sigint: 130, sigterm: 143 } as const;

const USAGE: readonly ErrorCode[] = [
  'ERR_BATCH_LIMIT',
  'ERR_BLOCK_INVALID',
  'ERR_CONFIG_INVALID',
  'ERR_DEVICE_MEMORY',
  'ERR_INPUT_INVALID',
  'ERR_MODEL_INVALID',
  'ERR_PLAN_CAPACITY',
  'ERR_POSITION_BEYOND_BLOCKS',
  'ERR_ROW_UNKNOWN',
  'ERR_TRACE_INVALID',
  'ERR_USAGE',
];
const UNAVAILABLE: readonly ErrorCode[] = [
  'ERR_DEVICE_UNAVAILABLE',
  'ERR_NATIVE_UNAVAILABLE',
  'ERR_TRANSPORT_UNAVAILABLE',
];

/** Exit code of a command that ended with `error`. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof LockstepError)) return EXIT.failed;
  if (USAGE.includes(error.code)) return EXIT.usage;
  return UNAVAILABLE.includes(error.code) ? EXIT.unavailable : EXIT.failed;
}
