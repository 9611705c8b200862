/** What reads CSV with quotes. Most CSV has none, and does not load csv-parse. */
export function loadQuotedCsv(): Promise<Pick<typeof import('./quoted-csv.js'), 'quotedFields' | 'quotedRows'>> {
  return import('./quoted-csv.js');
}
