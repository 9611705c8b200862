/** Every code a Lockstep error can carry. `docs/errors.md` says what each one means and what to do about it. */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_BATCH_LIMIT'
  | 'ERR_BLOCK_CONFLICT'
  | 'ERR_BLOCK_INVALID'
  | 'ERR_CAPTURE_ASYMMETRIC'
  | 'ERR_COLLECTIVE_TIMEOUT'
  | 'ERR_CONFIG_INVALID'
  | 'ERR_DEVICE_BUSY'
  | 'ERR_DEVICE_CAPTURE'
  | 'ERR_DEVICE_DRIVER'
  | 'ERR_DEVICE_KERNEL'
  | 'ERR_DEVICE_LOST'
  | 'ERR_DEVICE_MEMORY'
  | 'ERR_DEVICE_MISMATCH'
  | 'ERR_DEVICE_TIMEOUT'
  | 'ERR_DEVICE_UNAVAILABLE'
  | 'ERR_DISPOSED'
  | 'ERR_DRAINING'
  | 'ERR_ENCODER_LOST'
  | 'ERR_INPUT_INVALID'
  | 'ERR_LAUNCH_BOUNDS'
  | 'ERR_LAUNCH_INVALID'
  | 'ERR_MODEL_INVALID'
  | 'ERR_NATIVE_UNAVAILABLE'
  | 'ERR_OVERLOADED'
  | 'ERR_PLAN_CAPACITY'
  | 'ERR_POSITION_BEYOND_BLOCKS'
  | 'ERR_RANKS_DIVERGED'
  | 'ERR_RANK_FAULT'
  | 'ERR_RANK_LOST'
  | 'ERR_ROW_UNKNOWN'
  | 'ERR_SHAPE_CONTRACT'
  | 'ERR_STAGING_BUSY'
  | 'ERR_STALE_VIEW'
  | 'ERR_STATE_FROZEN'
  | 'ERR_STEP_ORDER'
  | 'ERR_TRACE_INVALID'
  | 'ERR_TRANSPORT_UNAVAILABLE'
  | 'ERR_USAGE';

/** The values that mattered when an error was raised: rows, limits, ranks. Plain data, so that it survives a worker boundary. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

/**
 * The one error class of the library. `message` names the mistake and the remedy; `code` is for programs;
 * `details` holds the values that mattered.
 */
export class LockstepError extends Error {
  /** For programs: the same mistake always has the same code. */
  readonly code: ErrorCode;
  /** Values behind the message, such as `rank`, `needed` or `attempts`; docs/errors.md names those of a code. */
  readonly details: ErrorDetails;

  /** An error of this code; `options.cause` is what led to it. */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'LockstepError';
    this.code = code;
    // Null where no compiler was asked.
    this.details = details ?? {};
  }

  /** Plain data that crosses a worker boundary, for `LockstepError.from`. */
  toJSON(): { code: ErrorCode; message: string; details: ErrorDetails } {
    return { code: this.code, message: this.message, details: this.details };
  }

  /** The error that `toJSON()` described, in another thread or process; its stack is new, and it has no cause. */
  static from(value: { code: ErrorCode; message: string; details: ErrorDetails }): LockstepError {
    return new LockstepError(value.code, value.message, value.details);
  }
}

/**
 * What was thrown as a `LockstepError`: itself, also where it lost its class on its way from another thread; else its words with `code`, and
 * itself as the cause. The code says what it ends: a rank that goes on to report, by default, or a thread or process (`ERR_RANK_LOST`).
 */
export function asLockstepError(thrown: unknown, code: ErrorCode = 'ERR_RANK_FAULT'): LockstepError {
  try {
    if (isLockstepError(thrown)) return thrown instanceof LockstepError ? thrown : withClass(thrown);
  } catch {
    // It cannot be read.
  }
  return new LockstepError(code, thrownText(thrown), {}, { cause: thrown });
}

function withClass(thrown: LockstepError): LockstepError {
  const error = LockstepError.from(thrown);
  if (thrown.cause !== undefined) error.cause = thrown.cause;
  if (thrown.stack !== undefined) error.stack = thrown.stack;
  return error;
}

/** Whether it is a `LockstepError` by its shape: one that crossed a thread uncaught has lost its class. */
export function isLockstepError(thrown: unknown): thrown is LockstepError {
  try {
    if (thrown instanceof LockstepError) return true;
    return (
      thrown instanceof Error &&
      thrown.name === 'LockstepError' &&
      typeof (thrown as { code?: unknown }).code === 'string'
    );
  } catch {
    return false;
  }
}

/** What was thrown in words, whatever it is: of an error its name and message. */
export function thrownText(thrown: unknown): string {
  if (thrown === undefined || thrown === null) return 'no reason was given';
  if (typeof thrown === 'string' || typeof thrown === 'symbol') return String(thrown);
  try {
    const { name, message } = thrown as { readonly name?: unknown; readonly message?: unknown };
    if (typeof message !== 'string') return shown(thrown);
    return [name, message].filter((word) => typeof word === 'string' && word !== '').join(': ');
  } catch {
    return 'a value that cannot be read';
  }
}

const SHOWN_CHARACTERS = 60;

/** A value as an error message shows it: short, and whatever it is (deeply nested, circular, a bigint, missing). */
export function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'number') return String(value);
  const text = textOf(value);
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS - 3)}...` : text;
}

/** Built-in kinds of objects whose content is not in named fields, beside arrays and views of bytes. */
const BUILT_INS: ReadonlySet<string> = new Set([
  'ArrayBuffer',
  'SharedArrayBuffer',
  'Map',
  'Set',
  'WeakMap',
  'WeakSet',
  'Promise',
  'Date',
  'RegExp',
  'String',
  'Number',
  'Boolean',
  'URL',
  'URLSearchParams',
]);

/** The built-in kind of a value whose content is not in named fields, such as `Int32Array` or `Map`; null of any other. */
export function builtInKind(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  if (Array.isArray(value)) return 'Array';
  // The tag is the same for values of another realm, as `instanceof` is not.
  const kind = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return ArrayBuffer.isView(value) || BUILT_INS.has(kind) ? kind : null;
}

function textOf(value: unknown): string {
  try {
    // Undefined for functions and symbols; throws for bigints, cycles, and what is nested too deep for the stack.
    const text = JSON.stringify(value) ?? `a ${typeof value}`;
    // A map would be `{}`, and a list of bytes an object with a name for each.
    const kind = text.startsWith('{') ? builtInKind(value) : null;
    return kind === null ? text : `${/^[AEIO]/.test(kind) ? 'an' : 'a'} ${kind}`;
  } catch {
    if (typeof value === 'bigint') return `${value}n`;
    return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
  }
}
