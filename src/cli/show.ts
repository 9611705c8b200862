import { type Command, Option } from 'commander';

/** How a result is printed. */
export interface ShowFlags {
  readonly json?: boolean;
  readonly output?: 'json' | 'ndjson' | 'table' | 'csv';
}

/** A row: names of columns and their values, the same names in every row. */
export type TableRow = Readonly<Record<string, string | number | boolean | null>>;

/** What a command found, in each form that it can be printed in. */
export interface Shown {
  /** The one document of `--json`. */
  readonly document: () => object;
  readonly rows: () => readonly TableRow[];
  /** For people, with its line ends. */
  readonly text: () => string;
}

/** `--output`, for a command whose result has rows. */
export function addOutputOption(command: Command, rows: string): Command {
  return command.addOption(
    new Option('--output <format>', `json as --json; or ${rows}, as ndjson, a table or csv`)
      .choices(['json', 'ndjson', 'table', 'csv'])
      .conflicts('json'),
  );
}

/** Prints a result as the flags say. */
export async function show(flags: ShowFlags, { document, rows, text }: Shown): Promise<void> {
  process.stdout.write(await shown(flags, { document, rows, text }));
}

async function shown({ json, output }: ShowFlags, { document, rows, text }: Shown): Promise<string> {
  if (json === true || output === 'json') return `${JSON.stringify(document())}\n`;
  if (output === undefined) return text();
  if (output === 'ndjson')
    return rows()
      .map((row) => `${JSON.stringify(row)}\n`)
      .join('');
  if (output === 'table') return tableText(rows());
  const { stringify } = await import('csv-stringify/sync');
  // Booleans as JSON has them; what is null is an empty field.
  return stringify([...rows()], { header: true, cast: { boolean: (value) => String(value) } });
}

/** Rows with their names above, numbers to the right. Empty without rows. */
export function tableText(rows: readonly TableRow[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const names = Object.keys(first);
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
