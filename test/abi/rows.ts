import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../support/cli.js';

export type Vendor = 'cuda' | 'hip';
export type Need = 'required' | 'optional' | 'absent';

/** A function of native/gpu/driver-symbols.inc as one vendor has it, or of hiprtc-symbols.inc. */
export interface Row {
  readonly field: string;
  /** Declarations, such as `int device`. */
  readonly parameters: readonly string[];
  readonly symbol: string;
  readonly need: Need;
}

/** The rows that a vendor has a symbol for. */
export function rowsOf(vendor: Vendor): readonly Row[] {
  const text = readFileSync(path.join(root, 'native/gpu/driver-symbols.inc'), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('ROW('));
  return lines.flatMap((line) => {
    const found = /^ROW\((\w+), \(([^)]*)\), (nullptr|"\w+"), (\w+), (nullptr|"\w+"), (\w+)\)$/.exec(line);
    if (found === null) throw new Error(`driver-symbols.inc: ${line}`);
    const [, field = '', parameters = '', cuda = '', cudaNeed = '', hip = '', hipNeed = ''] = found;
    const [symbol, need] = vendor === 'cuda' ? [cuda, cudaNeed] : [hip, hipNeed];
    if (need === 'absent') return [];
    return [{ field, parameters: parameters.split(', '), symbol: symbol.slice(1, -1), need: need as Need }];
  });
}

/** Those of HIP's runtime compiler, which are all required. */
export function compilerRows(): readonly Row[] {
  const text = readFileSync(path.join(root, 'native/gpu/hiprtc-symbols.inc'), 'utf8');
  const lines = text.split('\n').filter((line) => line.startsWith('ROW('));
  return lines.map((line) => {
    const found = /^ROW\((\w+), \(([^)]*)\), "(\w+)"\)$/.exec(line);
    if (found === null) throw new Error(`hiprtc-symbols.inc: ${line}`);
    const [, field = '', parameters = '', symbol = ''] = found;
    return { field, parameters: parameters.split(', '), symbol, need: 'required' };
  });
}

/** Rows as a source for the compiler, with each symbol as an identifier. */
export function asInclude(rows: readonly Row[]): string {
  return rows
    .map(({ field, parameters, symbol }) => `VENDOR_ROW(${field}, (${parameters.join(', ')}), ${symbol})\n`)
    .join('');
}

/** The row with one parameter of another width; undefined where it has no such parameter. */
export function widened(row: Row, index: number): Row | undefined {
  const parameter = row.parameters[index];
  if (parameter === undefined) return undefined;
  const name = /\w+$/.exec(parameter)?.[0] ?? '';
  const wide = /\*|uint64_t|size_t|long/.test(parameter);
  const parameters = row.parameters.with(index, `${wide ? 'int' : 'long long'} ${name}`);
  return { ...row, parameters };
}
