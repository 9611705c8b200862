import { LockstepError, shown } from '../../errors.js';
import type { CsvRow, RefuseLine } from '../../input/index.js';
import { namesIn, TIME_UNITS, type TimeUnit, type TraceReading, unitOf } from './fields.js';
import { msOf } from './jsonl.js';
import { MAX_TIME_MS, type TraceRow, tokenCountOf } from './row.js';

/** When a row's request came. */
type Time = Pick<TraceRow, 'wholeMs' | 'partMs'>;

/** A CSV trace format: the columns that identify it (others are ignored), and how its time is read. */
export interface CsvFormat {
  readonly name: string;
  /** Columns of the time, of the tokens of the prompt, and of those generated. */
  readonly columns: readonly [time: string, input: string, output: string];
  /** Null for a text that is not a time. */
  readonly time: (text: string) => Time | null;
  /** What the time is, for errors. */
  readonly expected: string;
}

/** TIMESTAMP,ContextTokens,GeneratedTokens. Source: Azure Public Dataset, LLM inference traces of 2023 and 2024. */
export const AZURE: CsvFormat = {
  name: 'Azure CSV',
  columns: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'],
  time: (text) => plainDate(text) ?? dateOf(text),
  expected: 'a date such as 2023-11-16 18:15:46.6805900',
};

/** Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type. Source: BurstGPT (HPMLL). */
export const BURSTGPT: CsvFormat = {
  name: 'BurstGPT CSV',
  columns: ['Timestamp', 'Request tokens', 'Response tokens'],
  time: secondsOf,
  expected: `a decimal number of seconds, at most ${MAX_TIME_MS / 1e3}`,
};

/**
 * The format of a CSV with this header; null where that is none. Vidur's and Splitwise's have seconds, and so has BurstGPT's; a column
 * `TIMESTAMP` holds dates, and any other is milliseconds unless a unit is given.
 */
export function csvFormat(header: readonly string[], { columns, timeUnit }: TraceReading): CsvFormat | null {
  if (columns === undefined && timeUnit === undefined) {
    const known = [AZURE, BURSTGPT].find(({ columns }) => columns.every((column) => header.includes(column)));
    if (known !== undefined) return known;
  }
  const { timestamp: time, input_length: input, output_length: output } = namesIn(header, columns);
  if (time === undefined || input === undefined || output === undefined) return null;
  const unit = timeUnit ?? unitOf(time);
  const units = { s: 'seconds', ms: 'milliseconds', us: 'microseconds', ns: 'nanoseconds' };
  return {
    name: `CSV of ${input} and ${output}`,
    columns: [time, input, output],
    time: (text) => (timeUnit === undefined ? (plainDate(text) ?? dateOf(text)) : null) ?? timeOf(text, unit),
    expected: `a decimal number of ${units[unit]}, at most ${MAX_TIME_MS / TIME_UNITS[unit]}, or a date`,
  };
}

/** Reads the rows of one format. */
export class CsvTrace {
  readonly #format: CsvFormat;
  readonly #file: string;
  readonly #refuse: RefuseLine;
  /** Indices of the format's columns; null before the header. */
  #columns: readonly number[] | null = null;

  constructor(format: CsvFormat, file: string, refuse: RefuseLine) {
    this.#format = format;
    this.#file = file;
    this.#refuse = refuse;
  }

  /** Requests of rows, the first of which is the header in the first call. */
  *read(rows: Iterable<CsvRow>): Generator<TraceRow> {
    const { time: timeOf, expected, columns: names } = this.#format;
    const [timeName, inputName, outputName] = names;
    const refuse = this.#refuse;
    for (const { fields, line } of rows) {
      if (this.#columns === null) {
        this.#columns = this.#find(fields, line);
        continue;
      }
      const [timeColumn, inputColumn, outputColumn] = this.#columns;
      const time = timeOf(fields[timeColumn]) ?? refuse(line, timeName, expected, fields[timeColumn]);
      const inputTokens = tokenCountOf(line, inputName, fields[inputColumn], 1, refuse);
      const outputTokens = tokenCountOf(line, outputName, fields[outputColumn], 0, refuse);
      yield { wholeMs: time.wholeMs, partMs: time.partMs, inputTokens, outputTokens, hashIds: null };
    }
  }

  #find(header: readonly string[], line: number): number[] {
    return this.#format.columns.map((name) => {
      const index = header.indexOf(name);
      if (index < 0) throw this.#absent(name, header, line);
      if (header.lastIndexOf(name) !== index) this.#refuse(line, 'the header', `one column ${name}`, header.join(','));
      return index;
    });
  }

  /** The error of a column that a header lacks. */
  #absent(column: string, header: readonly string[], line: number): LockstepError {
    const [only] = header;
    const apart = header.length === 1 && /[;\t|]/.test(only) ? '; fields are separated by commas' : '';
    const message = `${this.#file}:${line}: the header has no column ${column}; it has ${shown(header.join(', '))}${apart}; correct the header, or the names of its columns`;
    return new LockstepError('ERR_TRACE_INVALID', message, { file: this.#file, line, column, header });
  }
}

const DATE = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/;

/** A date without an offset is taken as UTC: only differences count. */
function dateOf(text: string): Time | null {
  const [, day, time, fraction = '', offset = 'Z'] = DATE.exec(text) ?? [];
  const wholeMs = Date.parse(`${day}T${time}${offset}`);
  return Number.isNaN(wholeMs) || Number.isNaN(midnight(day))
    ? null
    : { wholeMs, partMs: Number(fraction.padEnd(9, '0')) / 1e6 };
}

/** Milliseconds since 1970 of the beginning of a day; NaN for an invalid date: JavaScript takes 30 February for 2 March. */
function midnight(day: string): number {
  const ms = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(ms) || !new Date(ms).toISOString().startsWith(`${day}T`) ? Number.NaN : ms;
}

/** The day of the row before, which mostly is that of the next too. */
let knownDay = '';
let knownMidnight = Number.NaN;

/** A date of UTC, read digit by digit; null for any other text, even if `Date.parse` would read it. */
function plainDate(given: string): Time | null {
  const text = given.endsWith('+00:00') ? given.slice(0, -6) : given;
  const day = text.slice(0, 10);
  if (day !== knownDay) {
    if (!/^\d{4}-\d\d-\d\d$/.test(day)) return null;
    knownMidnight = midnight(day);
    knownDay = day;
  }
  const hours = twoDigits(text, 11);
  const minutes = twoDigits(text, 14);
  const seconds = twoDigits(text, 17);
  const separated = text[10] === ' ' && text[13] === ':' && text[16] === ':';
  if (!(separated && hours < 24 && minutes < 60 && seconds < 60) || Number.isNaN(knownMidnight)) return null;
  if (text.length > 29 || text.length === 20) return null;
  let nanoseconds = 0;
  for (let i = 20; i < 29; i++) {
    const digit = i < text.length ? text.charCodeAt(i) - 48 : 0;
    if (!(digit >= 0 && digit <= 9)) return null;
    nanoseconds = 10 * nanoseconds + digit;
  }
  if (text.length > 20 && text[19] !== '.') return null;
  return { wholeMs: knownMidnight + ((hours * 60 + minutes) * 60 + seconds) * 1000, partMs: nanoseconds / 1e6 };
}

/** The number of two digits at an index; NaN where there are none. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - 48;
  const ones = text.charCodeAt(at + 1) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? 10 * tens + ones : Number.NaN;
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

function secondsOf(text: string): Time | null {
  return timeOf(text, 's');
}

function timeOf(text: string, unit: TimeUnit): Time | null {
  const wholeMs = msOf(DECIMAL.test(text) ? Number(text) : Number.NaN, unit);
  return Math.abs(wholeMs) <= MAX_TIME_MS ? { wholeMs, partMs: 0 } : null;
}
