import { CsvError, parse } from 'csv-parse/sync';

/** A row, or what is wrong: the line, the field and what was found there. */
export type CsvOutcome =
  | { readonly fields: readonly string[]; readonly line: number }
  | { readonly fault: string; readonly line: number };

/** The rows of a whole CSV as csv-parse reads it in one go, up to the first fault. */
export function plainCsv(text: string): CsvOutcome[] {
  const records: { fields: string[]; line: number }[] = [];
  let failure: CsvError | null = null;
  try {
    parse(text, {
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      record_delimiter: ['\n', '\r\n'],
      on_record: (fields: string[], { lines }) => {
        records.push({ fields, line: lines });
        return null;
      },
    });
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    failure = error;
  }
  const outcomes: CsvOutcome[] = [];
  for (const record of records) {
    if (record.fields.length !== records[0].fields.length) {
      return [...outcomes, { fault: `${records[0].fields.length} fields: ${record.fields.join()}`, line: record.line }];
    }
    outcomes.push(record);
  }
  if (failure !== null) outcomes.push({ fault: failure.message, line: Number(failure.lines) });
  return outcomes;
}
