import { LockstepError } from '../errors.js';
import type { PlannerModules } from '../memory/index.js';
import { allGatherRounds, createThreadsGroup, joinMpi, joinThreads } from '../ranks/index.js';
import { AgreementRank, type SharedWork } from './agreement-rank.js';
import { startAgreementThreads } from './agreement-threads.js';
import { FutexBarrier } from './futex-barrier.js';
import type { BenchCase, BenchRow } from './measure.js';

/** Rounds of one call, which the message that begins them is little of. */
const ROUNDS = 100;

/** Rounds after which every thread's code is compiled: each has its own. */
const WARM_ROUNDS = 2000;

/** Rows of what crosses threads. */
export const AGREEMENT_ROWS: readonly BenchRow[] = [
  { name: 'agreement-2', make: (modules) => ofThreads(modules, 2, 'agree', 'gather') },
  ...[2, 8, 16, 32].map(
    (ranks): BenchRow => ({ name: `gather-${ranks}`, make: (modules) => ofThreads(modules, ranks, 'gather', 'bare') }),
  ),
];

/** A rank led through both kinds of work. */
function led(leader: AgreementRank, ours: SharedWork, limit: SharedWork): BenchCase {
  for (const work of [ours, limit]) leader.lead(work, WARM_ROUNDS);
  return {
    pieces: ROUNDS,
    ours: () => leader.lead(ours, ROUNDS),
    limit: () => leader.lead(limit, ROUNDS),
    peer: null,
    end: () => leader.leave(),
  };
}

async function ofThreads(
  modules: PlannerModules,
  ranks: number,
  ours: SharedWork,
  limit: SharedWork,
): Promise<BenchCase> {
  const group = createThreadsGroup(ranks);
  const barrier = new SharedArrayBuffer(FutexBarrier.BYTES);
  const others = Array.from({ length: ranks - 1 }, (_, index) => index + 1);
  await startAgreementThreads(others.map((rank) => ({ modules, group, rank, barrier })));
  const meet = new FutexBarrier(barrier, ranks);
  const leader = new AgreementRank(modules, joinThreads(group, 0), (rounds) => meet.wait(rounds));
  return led(leader, ours, limit);
}

/** Rows of what crosses the processes of this MPI job, for its first rank. */
export function jobRows(ranks: number): readonly BenchRow[] {
  const row = (name: string, ours: SharedWork, limit: SharedWork): BenchRow => ({
    name: `${name}-mpi-${ranks}`,
    make: (modules) => led(ofJob(modules), ours, limit),
  });
  return [row('agreement', 'agree', 'gather'), row('gather', 'gather', 'bare')];
}

/** What the job's other ranks do for the rows of `jobRows`. */
export function followJob(modules: PlannerModules, rows: readonly BenchRow[]): void {
  for (const _ of rows) ofJob(modules).follow();
}

function ofJob(modules: PlannerModules): AgreementRank {
  const collective = joinMpi();
  if (collective.size === 1) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      'An MPI job of one rank has no other rank to agree with; start 2 or more',
      {},
    );
  }
  return new AgreementRank(modules, collective, (rounds) => allGatherRounds(collective.rowWords, rounds));
}
