import { lineRefusal, type RefuseLine } from '../../input/index.js';
import { isCount, MAX_TOKENS } from '../request.js';

/** One request of a trace. Time is `wholeMs + partMs` from an origin of the trace's own. */
export interface TraceRow {
  /** Kept apart from `partMs` so that a date in ms since 1970 loses no sub-millisecond digits. */
  readonly wholeMs: number;
  readonly partMs: number;
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly hashIds: readonly number[] | null;
  /** The session that it belongs to: where the row has no time, it comes `delayMs` after the end of the row before. */
  readonly session?: string;
  /** Absent where the row has a time. */
  readonly delayMs?: number;
}

/** How a bad line of a trace is refused: with `ERR_TRACE_INVALID`. */
export function traceRefusal(file: string): RefuseLine {
  return lineRefusal(
    'ERR_TRACE_INVALID',
    file,
    'correct the line, or stop before it with a limit on the requests read',
  );
}

/** Latest moment of a trace, in ms either side of its origin: thirty thousand years. A time beyond that is invalid. */
export const MAX_TIME_MS = 1e15;

/** A count of tokens that a trace gives as a JSON number. */
export function tokenCount(line: number, field: string, value: unknown, least: 0 | 1, refuse: RefuseLine): number {
  if (!isCount(value) || value < least) refuse(line, field, `an integer from ${least} to ${MAX_TOKENS}`, value);
  return value;
}

/** The same, from the text of a CSV field. */
export function tokenCountOf(line: number, field: string, text: string, least: 0 | 1, refuse: RefuseLine): number {
  const value = digitsOf(text);
  if (!(value >= least && value <= MAX_TOKENS)) {
    refuse(line, field, `an integer from ${least} to ${MAX_TOKENS}`, text);
  }
  return value;
}

/** A point, as a digit. */
const POINT = -2;

/** The number that a text of digits says, with zeros behind a point or without, as tools write whole numbers of a column with gaps; -1 for any other. */
function digitsOf(text: string): number {
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit === POINT && i > 0 && /^0+$/.test(text.slice(i + 1))) return value;
    if (!(digit >= 0 && digit <= 9)) return -1;
    value = 10 * value + digit;
  }
  return text === '' ? -1 : value;
}
