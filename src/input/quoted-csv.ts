// Loaded with the first text that has quotes, or a CR that ends no line: no other CSV needs csv-parse.
import { CsvError, type Options, parse } from '#csv-parse';
import { MAX_LINE_CHARACTERS } from './refusal.js';

/** One record of a CSV, its fields trimmed. */
export interface CsvRow {
  readonly fields: readonly string[];
  /** From 1; of a record that spans lines, the last. */
  readonly line: number;
}

/** How CSV may be written: quotes, CRLF or LF, blank lines and blanks around fields are all fine. */
const OPTIONS: Options = {
  trim: true,
  skip_empty_lines: true,
  relax_column_count: true,
  record_delimiter: ['\n', '\r\n'],
  max_record_size: MAX_LINE_CHARACTERS,
};

/** What csv-parse found to be wrong. Its own types are not in declarations, where a consumer cannot resolve them. */
export interface MalformedCsv extends Error {
  readonly code: string;
  /** Number of the line, from 1. */
  readonly lines?: unknown;
}

/** What a text with quotes holds. */
export interface QuotedRows {
  readonly rows: readonly CsvRow[];
  /** What is wrong after those rows. */
  readonly error: MalformedCsv | null;
  /** Number of the first line after the text, from 1. */
  readonly lines: number;
}

/** The rows that csv-parse reads from a text, whose last record may lack its line end. Lines count from its beginning. */
export function quotedRows(text: string, ended: boolean): QuotedRows {
  const rows: CsvRow[] = [];
  const on_record = (fields: string[], { lines }: { readonly lines: number }): null => {
    rows.push({ fields, line: lines });
    return null;
  };
  try {
    // An added record shows how many lines come before it.
    parse(ended ? `${text}.` : text, { ...OPTIONS, on_record });
  } catch (error) {
    if (error instanceof CsvError) return { rows, error, lines: 1 };
    throw error;
  }
  const lines = ended ? (rows.pop() as CsvRow).line : 1;
  return { rows, error: null, lines };
}

/** The fields of one record. Throws what csv-parse throws if it is not well-formed. */
export function quotedFields(record: string): readonly string[] {
  return (parse(record, OPTIONS) as string[][])[0] ?? [];
}
