import { pipeline, Readable } from 'node:stream';
import { CsvError, type Options, parse } from 'csv-parse';
import { refuseLine, type TracePlace, type TraceRow, tokenCountOf } from './row.js';
import { MAX_LINE_CHARACTERS } from './text.js';

/** Fields of a row by the names in the header. */
type Fields = (column: string) => string | undefined;

/** A CSV trace format: the columns that name it, others being ignored, and how a row reads. */
export interface CsvFormat {
  readonly name: string;
  readonly columns: readonly string[];
  readonly row: (fields: Fields, place: TracePlace) => TraceRow;
}

/** TIMESTAMP,ContextTokens,GeneratedTokens. Source: Azure Public Dataset, LLM inference traces of 2023 and 2024. */
export const AZURE: CsvFormat = {
  name: 'Azure CSV',
  columns: ['TIMESTAMP', 'ContextTokens', 'GeneratedTokens'],
  row: (fields, place) => ({
    ...dateOf(fields('TIMESTAMP'), place),
    inputTokens: tokenCountOf(place, 'ContextTokens', fields('ContextTokens'), 1),
    outputTokens: tokenCountOf(place, 'GeneratedTokens', fields('GeneratedTokens'), 0),
    hashIds: null,
  }),
};

/** Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type. Source: BurstGPT (HPMLL). */
export const BURSTGPT: CsvFormat = {
  name: 'BurstGPT CSV',
  columns: ['Timestamp', 'Request tokens', 'Response tokens'],
  row: (fields, place) => ({
    ...secondsOf(fields('Timestamp'), place),
    inputTokens: tokenCountOf(place, 'Request tokens', fields('Request tokens'), 1),
    outputTokens: tokenCountOf(place, 'Response tokens', fields('Response tokens'), 0),
    hashIds: null,
  }),
};

/** How the CSV of a trace is written: quotes, CRLF or LF, blank lines and blanks around fields are all fine. */
export const CSV_OPTIONS: Options = {
  info: true,
  trim: true,
  skip_empty_lines: true,
  relax_column_count: true,
  record_delimiter: ['\n', '\r\n'],
  max_record_size: MAX_LINE_CHARACTERS,
};

/** Rows of a CSV trace, the header first in its text. Nothing after row `limit` is looked at. */
export async function* readCsv(
  text: AsyncIterable<string>,
  format: CsvFormat,
  file: string,
  limit: number,
): AsyncGenerator<TraceRow> {
  const parser = parse({ ...CSV_OPTIONS, to: limit === Infinity ? -1 : limit + 1 });
  // The loop below receives every error; the callback only keeps it from being unhandled.
  pipeline(Readable.from(text), parser, () => undefined);
  let header: string[] | null = null;
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: { lines: number } }>) {
      if (header === null) {
        header = record;
        continue;
      }
      const place = { file, line: info.lines };
      if (record.length !== header.length) {
        refuseLine(place, 'the row', `${header.length} fields, as the header has`, record.join(','));
      }
      const columns = header;
      yield format.row((column) => record[columns.indexOf(column)], place);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    refuseLine({ file, line: Number(error.lines ?? 1) }, 'the row', 'well-formed CSV', error.message, error);
  }
}

const DATE = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?$/;

/** A date without an offset is taken as UTC: only differences count. */
function dateOf(text: string | undefined, place: TracePlace): Pick<TraceRow, 'wholeMs' | 'partMs'> {
  const [, day, time, fraction = '', offset = 'Z'] = DATE.exec(text ?? '') ?? [];
  const wholeMs = Date.parse(`${day}T${time}${offset}`);
  // JavaScript takes 30 February for 2 March.
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(wholeMs) || !new Date(midnight).toISOString().startsWith(`${day}T`)) {
    refuseLine(place, 'TIMESTAMP', 'a date such as 2023-11-16 18:15:46.6805900', text);
  }
  return { wholeMs, partMs: Number(fraction.padEnd(9, '0')) / 1e6 };
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
/** Thirty thousand years: what is above is no time of a request. */
const MAX_SECONDS = 1e12;

/** Seconds, kept to the microsecond: what a decimal fraction leaves beyond that is rounding. */
function secondsOf(text: string | undefined, place: TracePlace): Pick<TraceRow, 'wholeMs' | 'partMs'> {
  const seconds = DECIMAL.test(text ?? '') ? Number(text) : Number.NaN;
  if (!(Math.abs(seconds) <= MAX_SECONDS)) {
    refuseLine(place, 'Timestamp', `a decimal number of seconds, at most ${MAX_SECONDS}`, text);
  }
  return { wholeMs: Math.round(seconds * 1e6) / 1e3, partMs: 0 };
}
