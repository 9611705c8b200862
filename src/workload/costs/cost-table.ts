import { checkOptions, Faults } from '../../checks.js';
import { LockstepError, shown } from '../../errors.js';
import { lineRefusal, type RefuseLine, readCsv, readText, sourceName, type TextSource } from '../../input/index.js';
import { type CostModel, checkMaxSize, type RaisedCost } from './cost-model.js';

/** Which part of a table counts, and how far it has to reach. */
export interface CostTableOptions {
  /** Largest size in tokens that a cost is needed for. */
  readonly maxSize: number;
  /** Rows of this tensor parallel size. Needed where the table holds several. */
  readonly tensorParallelSize?: number | undefined;
  /** Ends the reading with ERR_ABORTED. */
  readonly signal?: AbortSignal | undefined;
}

const TOKENS = 'num_tokens';
/** Columns that say the tensor parallel size: of a condensed table, of Vidur's. */
const PARALLEL = ['tensor_parallel', 'num_tensor_parallel_workers'];
const TIMES = ['time', 'time_ms', 'layer_ms'];
/** Vidur profiles a layer operator by operator. Its embedding is no part of a layer. */
const OPERATOR = /^time_stats\.(?!emb\.)\w+\.median$/;

const FORMATS = `a cost table is CSV with the columns
  num_tokens and one of ${TIMES.join(', ')}; ${PARALLEL[0]} where it holds several tensor parallel sizes
  or those of Vidur's mlp.csv: num_tokens, num_tensor_parallel_workers, time_stats.<operator>.median`;

/** A row that was measured. */
interface Measured {
  readonly size: number;
  readonly time: number;
}

/**
 * Measured costs from a CSV. A size between two rows costs what the next measured size costs: kernels work in tiles, and the
 * rows are the sizes that were measured. If rows repeat a size, the least cost counts. A size that was measured below a smaller one is
 * raised to it, and listed in `raised`.
 *
 * Errors: ERR_CONFIG_INVALID for `maxSize`; ERR_INPUT_INVALID naming file and line for a bad row, for columns that are missing,
 * for a tensor parallel size that is not there or not chosen, and for a table that ends below `maxSize`; ERR_ABORTED.
 */
export async function readCostTable(source: TextSource, options: CostTableOptions): Promise<CostModel> {
  checkOptions('the options of a cost table', options, ['maxSize'], ['tensorParallelSize', 'signal']);
  const { maxSize, tensorParallelSize } = options;
  checkMaxSize(maxSize);
  const faults = new Faults();
  if (tensorParallelSize !== undefined) faults.integer('tensorParallelSize', tensorParallelSize, 1, 1 << 16);
  faults.throwIfAny('This cost table');
  const file = sourceName(source);
  const byParallel = await readRows(source, file, options.signal);
  const rows = rowsOf(byParallel, tensorParallelSize, file);
  const last = rows[rows.length - 1].size;
  if (last < maxSize) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: ends at ${last} tokens, below the largest size ${maxSize}; measure up to it, or lower the ladder's maximum to ${last}`,
      { file, last, maxSize },
    );
  }
  const { costs, raised } = staircase(rows, maxSize);
  return { name: file, unit: 'ms', costs, raised };
}

/** Costs of all sizes from ascending rows. */
function staircase(rows: readonly Measured[], maxSize: number): { costs: Float64Array; raised: RaisedCost[] } {
  const costs = new Float64Array(maxSize + 1);
  const raised: RaisedCost[] = [];
  let begin = 1;
  let most = 0;
  for (const { size, time } of rows) {
    if (begin > maxSize) break;
    if (time < most) raised.push(Object.freeze({ size, from: time, to: most }));
    most = Math.max(most, time);
    costs.fill(most, begin, size + 1);
    begin = size + 1;
  }
  return { costs, raised };
}

/** The rows of one tensor parallel size, ascending, each size once. Key 0 stands for a table that says none. */
function rowsOf(
  byParallel: ReadonlyMap<number, ReadonlyMap<number, number>>,
  wanted: number | undefined,
  file: string,
): Measured[] {
  const held = [...byParallel.keys()].sort((a, b) => a - b);
  const chosen = wanted ?? (held.length === 1 ? held[0] : undefined);
  const rows = chosen === undefined ? undefined : byParallel.get(chosen);
  if (rows === undefined) {
    const has = held[0] === 0 ? 'does not say of which tensor parallel size it is' : `has rows of ${held.join(', ')}`;
    const remedy = held[0] === 0 ? 'leave tensorParallelSize out' : 'choose one of them as tensorParallelSize';
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${file}: tensorParallelSize is ${shown(wanted)}, and the table ${has}; ${remedy}`,
      { file, tensorParallelSize: wanted ?? null, held, options: ['tensorParallelSize'] },
    );
  }
  return [...rows].map(([size, time]) => ({ size, time })).sort((a, b) => a.size - b.size);
}

/** Least time of each size, by tensor parallel size. */
async function readRows(
  source: TextSource,
  file: string,
  signal: AbortSignal | undefined,
): Promise<Map<number, Map<number, number>>> {
  const refuse = lineRefusal('ERR_INPUT_INVALID', file, 'correct or remove the row');
  const found = new Map<number, Map<number, number>>();
  let columns: Columns | null = null;
  for await (const block of readCsv(readText(source, { signal }), refuse)) {
    for (const { fields, line } of block) {
      if (columns === null) {
        columns = columnsOf(fields, file);
        continue;
      }
      const { parallel, size, time } = rowOf(fields, columns, line, refuse);
      const rows = found.get(parallel) ?? new Map<number, number>();
      rows.set(size, Math.min(time, rows.get(size) ?? Infinity));
      found.set(parallel, rows);
    }
  }
  if (found.size === 0) {
    const what = columns === null ? 'empty' : 'a header and no rows';
    throw new LockstepError('ERR_INPUT_INVALID', `${file}: ${what}; ${FORMATS}`, { file });
  }
  return found;
}

interface Columns {
  readonly header: readonly string[];
  readonly size: number;
  readonly parallel: number;
  /** One column, or an operator's each. */
  readonly times: readonly number[];
}

function columnsOf(header: readonly string[], file: string): Columns {
  const at = (names: readonly string[]): number[] => header.flatMap((name, i) => (names.includes(name) ? [i] : []));
  const size = at([TOKENS]);
  const parallel = at(PARALLEL);
  const named = at(TIMES);
  const operators = header.flatMap((name, i) => (OPERATOR.test(name) ? [i] : []));
  const times = named.length === 0 ? operators : named;
  if (size.length !== 1 || times.length === 0 || named.length > 1 || parallel.length > 1) {
    throw new LockstepError('ERR_INPUT_INVALID', `${file}:1: the columns are ${shown(header.join(','))}; ${FORMATS}`, {
      file,
      line: 1,
      columns: [...header],
    });
  }
  return { header, size: size[0], parallel: parallel[0] ?? -1, times };
}

function rowOf(
  record: readonly string[],
  { header, size, parallel, times }: Columns,
  line: number,
  refuse: RefuseLine,
): Measured & { readonly parallel: number } {
  const number = (column: number, expected: string, holds: (value: number) => boolean): number => {
    const value = record[column] === '' ? Number.NaN : Number(record[column]);
    if (holds(value)) return value;
    return refuse(line, header[column], expected, record[column]);
  };
  const count = (value: number): boolean => Number.isInteger(value) && value >= 1 && value < 2 ** 31;
  const duration = (value: number): boolean => value >= 0 && value < Infinity;
  const time = times.reduce((sum, column) => sum + number(column, 'a time, not negative', duration), 0);
  if (time === 0) refuse(line, times.map((column) => header[column]).join(' + '), 'more than 0', 0);
  return {
    parallel: parallel < 0 ? 0 : number(parallel, 'a whole number of at least 1', count),
    size: number(size, 'a whole number of at least 1', count),
    time,
  };
}
