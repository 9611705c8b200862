import { LockstepError, shown } from '../../errors.js';
import { isCount } from '../request.js';

/** One request as a trace tells it. Time is `wholeMs + partMs` from an origin of the trace's own. */
export interface TraceRow {
  /** Kept apart from `partMs` so that a date in ms since 1970 loses no sub-millisecond digits. */
  readonly wholeMs: number;
  readonly partMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly hashIds: readonly number[] | null;
}

/** A place in a trace, for errors. */
export interface TracePlace {
  /** The path, or `<stream>`. */
  readonly file: string;
  /** From 1; of a record that spans lines, the last. */
  readonly line: number;
}

const REMEDY = 'correct the line, or stop before it with a limit on the requests read';

/** Throws `ERR_TRACE_INVALID` for one line of a trace. */
export function refuseLine(place: TracePlace, field: string, expected: string, found: unknown, cause?: unknown): never {
  const text = shown(found);
  throw new LockstepError(
    'ERR_TRACE_INVALID',
    `${place.file}:${place.line}: ${field} must be ${expected}, found ${text}; ${REMEDY}`,
    { ...place, field, expected, found: text },
    cause === undefined ? undefined : { cause },
  );
}

/** A count of tokens that a trace gives as a JSON number. */
export function tokenCount(place: TracePlace, field: string, value: unknown, least: 0 | 1): number {
  if (!isCount(value) || value < least) refuseLine(place, field, `an integer from ${least} to 2147483647`, value);
  return value;
}

/** The same, from the text of a CSV field. */
export function tokenCountOf(place: TracePlace, field: string, text: string | undefined, least: 0 | 1): number {
  const value = text !== undefined && /^\d+$/.test(text) ? Number(text) : -1;
  if (!isCount(value) || value < least) refuseLine(place, field, `an integer from ${least} to 2147483647`, text);
  return value;
}
