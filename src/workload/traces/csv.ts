import { LockstepError, shown } from '../../errors.js';
import type { CsvRow, RefuseLine } from '../../input/index.js';
import { namesIn, type TraceReading, unitOf } from './fields.js';
import { type TraceRow, tokenCountOf } from './row.js';
import { dateOf, decimalTime, spanWords, type Time } from './times.js';

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
  time: dateOf,
  expected: 'a date such as 2023-11-16 18:15:46.6805900',
};

/** Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type. Source: BurstGPT (HPMLL). */
export const BURSTGPT: CsvFormat = {
  name: 'BurstGPT CSV',
  columns: ['Timestamp', 'Request tokens', 'Response tokens'],
  time: (text) => decimalTime(text, 's'),
  expected: `a decimal number of ${spanWords('s')}`,
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
  return {
    name: `CSV of ${input} and ${output}`,
    columns: [time, input, output],
    time: (text) => dateOf(text) ?? decimalTime(text, unit),
    expected: `a decimal number of ${spanWords(unit)}, or a date`,
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
