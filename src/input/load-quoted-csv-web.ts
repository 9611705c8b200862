import { quotedFields, quotedRows } from './quoted-csv.js';

/** Stands for `load-quoted-csv.ts` where a page is loaded once: what reads quotes is part of the bundle. */
export async function loadQuotedCsv(): Promise<Pick<typeof import('./quoted-csv.js'), 'quotedFields' | 'quotedRows'>> {
  return { quotedFields, quotedRows };
}
