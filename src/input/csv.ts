import { loadQuotedCsv } from '#load-quoted-csv';
import type { CsvRow, MalformedCsv, QuotedRows } from './quoted-csv.js';
import { checkLineLength, MAX_LINE_CHARACTERS, type RefuseLine } from './refusal.js';

/**
 * Rows of a CSV, the header first; every row has as many fields as it. They come in blocks, one per chunk of text: read a block to its end
 * before asking for the next. `refuse` is called for a row of another length, for one that is not well-formed, and for
 * one longer than `MAX_LINE_CHARACTERS`, once all rows before it are read.
 *
 * Text without quotes is split at line ends and commas; csv-parse reads the rest and defines every rule: text split here gives what
 * csv-parse would.
 */
export async function* readCsv(text: AsyncIterable<string>, refuse: RefuseLine): AsyncGenerator<Iterable<CsvRow>> {
  const cutter = new RecordCutter();
  const rows = new RowReader(refuse);
  for await (const chunk of text) {
    const records = cutter.cut(chunk);
    if (records !== '') yield await rows.of(records, true);
    await rows.checkLength(cutter.rest);
  }
  if (cutter.rest !== '') yield await rows.of(cutter.rest, false);
}

/** The fields of one record, such as a header. Throws what csv-parse throws if it is not well-formed. */
export async function csvFields(record: string): Promise<readonly string[]> {
  if (isRegular(record)) return record.split(',').map((field) => field.trim());
  return (await loadQuotedCsv()).quotedFields(record);
}

/** Cuts text behind its last whole record. A record ends with the first line end outside quotes, whatever else is wrong with it. */
class RecordCutter {
  /** The beginning of a record whose end has not arrived. */
  rest = '';
  #quoted = false;

  /** The whole records up to the end of this chunk. */
  cut(chunk: string): string {
    const end = this.#lastEnd(chunk) + 1;
    const whole = end === 0 ? '' : this.rest + chunk.slice(0, end);
    this.rest = end === 0 ? this.rest + chunk : chunk.slice(end);
    return whole;
  }

  #lastEnd(chunk: string): number {
    if (!this.#quoted && !chunk.includes('"')) return chunk.lastIndexOf('\n');
    let end = -1;
    let quoted = this.#quoted;
    for (let i = 0; i < chunk.length; i++) {
      const code = chunk.charCodeAt(i);
      if (code === QUOTE) quoted = !quoted;
      else if (code === LINE_FEED && !quoted) end = i;
    }
    this.#quoted = quoted;
    return end;
  }
}

const QUOTE = 34;
const LINE_FEED = 10;

/** Turns whole records into rows and counts lines. */
class RowReader {
  readonly #refuse: RefuseLine;
  /** Line of the next record. */
  #line = 1;
  /** Fields of the header; -1 before it. */
  #columns = -1;

  constructor(refuse: RefuseLine) {
    this.#refuse = refuse;
  }

  /** Rows of records; the last of them has its line end (`ended`) or ends the text. */
  async of(records: string, ended: boolean): Promise<Iterable<CsvRow>> {
    if (isRegular(records)) return this.#regular(records);
    const { quotedRows } = await loadQuotedCsv();
    return this.#quoted(quotedRows(records, ended));
  }

  /** Refuses the beginning of a record that is longer than records are; a misplaced quote is reported as such. */
  async checkLength(beginning: string): Promise<void> {
    if (beginning.length <= MAX_LINE_CHARACTERS) return;
    const { error } = isRegular(beginning) ? { error: null } : (await loadQuotedCsv()).quotedRows(beginning, false);
    if (error !== null && error.code !== 'CSV_QUOTE_NOT_CLOSED') this.#malformed(error, this.#line);
    checkLineLength(beginning, this.#line, this.#refuse);
  }

  *#regular(records: string): Generator<CsvRow> {
    for (let begin = 0; begin < records.length; this.#line++) {
      const feed = records.indexOf('\n', begin);
      const end = feed < 0 ? records.length : feed;
      const line = records.slice(begin, end);
      begin = end + 1;
      checkLineLength(line, this.#line, this.#refuse);
      const fields = line.split(',');
      for (let i = 0; i < fields.length; i++) if (hasBlankEnd(fields[i])) fields[i] = fields[i].trim();
      if (fields.length > 1 || fields[0] !== '') yield this.#even(fields, this.#line);
    }
  }

  *#quoted({ rows, error, lines }: QuotedRows): Generator<CsvRow> {
    const before = this.#line - 1;
    for (const { fields, line } of rows) yield this.#even(fields, before + line);
    if (error !== null) this.#malformed(error, before + 1);
    this.#line = before + lines;
  }

  #even(fields: readonly string[], line: number): CsvRow {
    if (this.#columns < 0) this.#columns = fields.length;
    if (fields.length !== this.#columns) {
      this.#refuse(line, 'the row', `${this.#columns} fields, as the header has`, fields.join(','));
    }
    return { fields, line };
  }

  /** Refuses what csv-parse found in records from `first` on, whose lines it counts from 1. */
  #malformed(error: MalformedCsv, first: number): never {
    const line = first - 1 + Number(error.lines ?? 1);
    const message = error.message.replace(/at line \d+/, `at line ${line}`);
    return this.#refuse(line, 'the row', 'well-formed CSV', message, error);
  }
}

/** Whether text is cut at commas and line ends alone: no quote, and no CR but that of a CRLF. */
function isRegular(records: string): boolean {
  return !records.includes('"') && !(records.includes('\r') && /\r(?!\n)/.test(records));
}

/** Whether a field begins or ends with what might be white space. */
function hasBlankEnd(field: string): boolean {
  const first = field.charCodeAt(0);
  const last = field.charCodeAt(field.length - 1);
  return first <= 32 || last <= 32 || first >= 128 || last >= 128;
}
