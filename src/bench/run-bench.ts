import type { DeviceName } from '../device/index.js';
import { LockstepError, shown } from '../errors.js';
import { loadModules } from '../memory/index.js';
import { DEFAULT_ROUNDS } from '../names.js';
import { startMpi } from '../ranks/index.js';
import { ADMISSION_ROWS } from './admission-cases.js';
import { AGREEMENT_ROWS, followJob, jobRows } from './agreement-cases.js';
import { CHURN_ROWS } from './churn-cases.js';
import { CSV_ROWS } from './csv-case.js';
import { decoderRows } from './decoder-cases.js';
import { type DeviceFigures, deviceFigures, deviceRows } from './device-cases.js';
import { GROWTH_ROWS, KERNEL_ROWS } from './kernel-cases.js';
import { type BenchResult, type BenchRow, measure } from './measure.js';
import { NumpyPeer } from './numpy-peer.js';
import { SIMULATE_ROWS } from './simulate-case.js';
import { STEP_ROWS } from './step-cases.js';
import { EDIT_ROWS, TABLE_ROWS } from './table-cases.js';
import { VOTE_ROWS } from './vote-cases.js';

export type { BenchResult } from './measure.js';

/** Every row, in the order in which they are measured and printed. */
const ROWS: readonly BenchRow[] = [
  ...KERNEL_ROWS,
  ...TABLE_ROWS,
  ...EDIT_ROWS,
  ...STEP_ROWS,
  ...CHURN_ROWS,
  ...ADMISSION_ROWS,
  ...AGREEMENT_ROWS,
  ...VOTE_ROWS,
  ...GROWTH_ROWS,
  ...SIMULATE_ROWS,
  ...CSV_ROWS,
];

/** Names of all rows. */
export const BENCH_ROWS: readonly string[] = ROWS.map(({ name }) => name);

export interface BenchOptions {
  /** Rows whose name holds this. Default: all. */
  readonly filter?: string;
  /** Measures this device's rows instead of the planner's. */
  readonly device?: DeviceName;
  /** Measures what crosses the processes of this MPI job instead; every process calls `runBench` alike. Default false. */
  readonly mpi?: boolean;
  /** Rounds, each of which measures ours, limit and peer. Default 11. */
  readonly rounds?: number;
  /** Ends the bench soon; the summary then has the rows that were measured, and says `interrupted`. */
  readonly signal?: AbortSignal;
  /** Called before each row. */
  readonly onRow?: (name: string, index: number, rows: number) => void;
}

export interface BenchSummary {
  readonly cases: readonly BenchResult[];
  readonly rounds: number;
  /** The interpreter that numpy ran in, or null where none has it. */
  readonly peer: string | null;
  readonly interrupted: boolean;
  /** Where a device was measured. */
  readonly device?: DeviceFigures;
}

/** Milliseconds for each of the three in a round: long enough that the clock's resolution does not matter, and short enough for a quick round. */
const MILLISECONDS = 4;

/**
 * Measures the planner's rows, those of a device, or those of an MPI job, of which the first rank alone has results; each beside its limit
 * and its peer in the same rounds. Errors: ERR_INPUT_INVALID for a filter that names no row, or a number of rounds out of range.
 */
export async function runBench(options: BenchOptions = {}): Promise<BenchSummary> {
  const { filter = '', rounds = DEFAULT_ROUNDS, device, mpi, signal, onRow } = options;
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 10_000) {
    throw new LockstepError('ERR_INPUT_INVALID', `rounds is ${shown(rounds)}; it must be an integer from 1 to 10000`, {
      rounds,
    });
  }
  using opened = new Opened();
  const job = mpi === true ? startMpi() : null;
  const all = job !== null ? jobRows(job.size) : device === undefined ? ROWS : rowsOf(device, opened.all);
  const rows = all.filter(({ name }) => name.includes(filter));
  if (rows.length === 0) {
    const names = all.map(({ name }) => name).join(', ');
    throw new LockstepError('ERR_INPUT_INVALID', `No row has ${shown(filter)} in its name: ${names}`, { filter });
  }
  const modules = await loadModules();
  if (job !== null && job.rank > 0) {
    followJob(modules, rows);
    return { cases: [], rounds, peer: null, interrupted: false };
  }
  await using peer = NumpyPeer.open();
  const figures = device === undefined ? {} : { device: deviceFigures(modules, device) };
  const cases: BenchResult[] = [];
  try {
    for (const [index, row] of rows.entries()) {
      onRow?.(row.name, index, rows.length);
      cases.push(await measure(row, modules, peer, { rounds, milliseconds: MILLISECONDS, signal }));
    }
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  return { cases, rounds, peer: peer?.interpreter ?? null, interrupted: signal?.aborted === true, ...figures };
}

/** Rows of a device, and of a decoder on it. */
function rowsOf(device: DeviceName, opened: Disposable[]): readonly BenchRow[] {
  return [...deviceRows(device, opened), ...decoderRows(device, opened)];
}

/** Devices of rows that were measured. */
class Opened implements Disposable {
  readonly all: Disposable[] = [];

  [Symbol.dispose](): void {
    for (const device of this.all) device[Symbol.dispose]();
  }
}
