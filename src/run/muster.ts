import { LockstepError } from '../errors.js';
import { fnv1a } from '../numbers.js';
import type { Collective } from '../ranks/index.js';
import type { RunRankData } from './run-rank.js';

/** What the ranks of one run have in common, by what the error calls it. */
const COMMON = ['options', 'requests'] as const;
/** The word after them. */
const RUN: number = COMMON.length;

/**
 * The first all-gather of a run whose ranks each read their own command line and trace: compares both, so that no rank serves other
 * requests than its peers. Returns the run's number, which is rank 0's.
 * @throws `ERR_RANKS_DIVERGED` on every rank, naming those that differ from rank 0 and in what; what `allGatherSync` throws.
 */
export function muster(collective: Collective, { options, requests, run }: RunRankData): number {
  const { size, rowWords } = collective;
  const row = new Int32Array(rowWords);
  row[0] = fnv1a(new TextEncoder().encode(JSON.stringify(options)));
  row[1] = Object.values(requests).reduce((so, column) => fnv1a(new Uint8Array(column), so), fnv1a([]));
  row[RUN] = run;
  const table = new Int32Array(size * rowWords);
  collective.allGatherSync(row, table, { timeoutMs: options.timeoutMs });
  const differences = Array.from({ length: size }, (_, rank) => ({
    rank,
    what: COMMON.filter((_name, word) => table[rank * rowWords + word] !== table[word]),
  })).filter(({ what }) => what.length > 0);
  if (differences.length === 0) return table[RUN] as number;
  const named = differences.map(({ rank, what }) => `rank ${rank} has other ${what.join(' and ')}`);
  throw new LockstepError(
    'ERR_RANKS_DIVERGED',
    `The processes do not run the same workload: ${named.join(', ')} than rank 0. Start all with one command, and give them the same files.`,
    { ranks: differences.map(({ rank }) => rank), differences },
  );
}
