/** How a result is printed. */
export interface ShowFlags {
  readonly json?: boolean;
  readonly output?: 'json' | RowFormat;
}

/** How rows are printed. */
export type RowFormat = 'ndjson' | 'table' | 'csv';

/** A row: names of columns and their values, the same names in every row. */
export type TableRow = Readonly<Record<string, string | number | boolean | null>>;

/** What a command found, in each form that it can be printed in. */
export interface Shown {
  /** The one document of `--json`. */
  readonly document: () => object;
  readonly rows: () => readonly TableRow[];
  /** Names of the columns, for a result that may have no row. Default: those of the first row. */
  readonly columns?: readonly string[];
  /** For people, with its line ends. */
  readonly text: () => string;
}

/** Prints a result as the flags say. */
export async function show(flags: ShowFlags, result: Shown): Promise<void> {
  process.stdout.write(await shown(flags, result));
}

async function shown({ json, output }: ShowFlags, { document, rows, columns, text }: Shown): Promise<string> {
  if (json === true || output === 'json') return `${JSON.stringify(document())}\n`;
  return output === undefined ? text() : await rowsText(rows(), output, columns);
}

/** Rows in one of their forms, with the names of their columns unless `named` is false. */
export async function rowsText(
  rows: readonly TableRow[],
  output: RowFormat,
  columns: readonly string[] = Object.keys(rows[0] ?? {}),
  named = true,
): Promise<string> {
  if (output === 'ndjson') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  if (output === 'table') return tableText(rows, columns);
  const { stringify } = await import('csv-stringify/sync');
  // Booleans as JSON has them; what is null is an empty field.
  return stringify([...rows], { header: named, columns: [...columns], cast: { boolean: (value) => String(value) } });
}

/** Rows with their names above, numbers to the right. Empty without names. */
export function tableText(rows: readonly TableRow[], names: readonly string[] = Object.keys(rows[0] ?? {})): string {
  if (names.length === 0) return '';
  const cells = rows.map((row) => names.map((name) => cellOf(row[name] ?? null)));
  const widths = names.map((name, column) => Math.max(name.length, ...cells.map((row) => row[column]?.length ?? 0)));
  const isNumber = names.map((name) => rows.some((row) => typeof row[name] === 'number'));
  const line = (row: readonly string[]): string =>
    row
      .map((text, column) => (isNumber[column] ? text.padStart(widths[column] ?? 0) : text.padEnd(widths[column] ?? 0)))
      .join('  ')
      .trimEnd();
  return `${[names, ...cells].map(line).join('\n')}\n`;
}

function cellOf(value: string | number | boolean | null): string {
  if (value === null) return '-';
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}
