import { readFileSync, readlinkSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { LockstepError } from '../../errors.js';
import { guarded, type NativeMpi } from '../../native/index.js';
import { fnv1a } from '../../numbers.js';
import { Deadline } from '../../wait.js';
import { loadMpi } from './library.js';

/** Tag of the messages between processes; those of groups have their own. */
const PROCESS_TAG = 0;
const FAREWELL = 1;
/** How long a process that failed waits for its peers to end before it aborts the job. Unit: milliseconds. */
const GRACE_MS = 5000;
const SPINS_OWN_CORE = 200;
const SPINS_SHARED_CORE = 2;

/** The processes of this job. */
export interface MpiWorld {
  readonly rank: number;
  readonly size: number;
  readonly mpi: NativeMpi;
  /** Whether every rank of this host has a core of its own. */
  readonly ownCores: boolean;
  /** What is called when the process exits, before MPI ends. */
  readonly leaving: Set<() => void>;
}

let world: MpiWorld | undefined;

/**
 * MPI of this process, started by the first call of any of its threads. Blocks until every process of the job has
 * started it. When the thread that started it exits, this process says farewell to the others and ends MPI with them.
 * @throws `ERR_TRANSPORT_UNAVAILABLE` without a library, or, unless `singleton` is set, without a launcher; `ERR_NATIVE_UNAVAILABLE`.
 */
export function startMpi(singleton = false): MpiWorld {
  if (world !== undefined) return world;
  if (!singleton && !launched()) {
    throw new LockstepError(
      'ERR_TRANSPORT_UNAVAILABLE',
      'No MPI launcher started this process; start every rank at once, as in `mpirun -n 2 node rank.mjs` or `mpirun -n 2 npx lockstep run --transport mpi` (`serve` likewise).',
      { transport: 'mpi', attempts: [] },
    );
  }
  const mpi = loadMpi();
  const { rank, size, first } = guarded(() => mpi.start(hostNumber()));
  const leaving = new Set<() => void>();
  const local = Number(process.env.OMPI_COMM_WORLD_LOCAL_SIZE ?? size);
  world = { rank, size, mpi, ownCores: local <= availableParallelism(), leaving };
  process.once('exit', (code) => {
    for (const leave of leaving) leave();
    if (first) farewell(mpi, rank, size, code);
  });
  return world;
}

/** The job that this thread has joined; null where it has joined none. */
export function joinedJob(): MpiWorld | null {
  return world ?? null;
}

/** Looks for a message before a rank lets other threads run: some 50 us if each rank has a core, next to nothing if they share one. */
export function spinsOf({ ownCores }: MpiWorld): number {
  return ownCores ? SPINS_OWN_CORE : SPINS_SHARED_CORE;
}

/**
 * Which process of its MPI job this one is, from 0 on, under any launcher. MPI is started where it was not, so every process of the job has
 * to call it, or what else starts MPI. @throws what `joinMpi` throws without a launcher or a library.
 */
export function mpiRank(): number {
  return startMpi().rank;
}

/**
 * So many blocking all-gathers of MPI's own, of rows of `words` int32, called from C one after the other: what a gather of ours is measured beside. No
 * deadline holds for them. Every process calls it. @throws `ERR_RANK_LOST`, `ERR_DISPOSED`, `ERR_TRANSPORT_UNAVAILABLE`.
 */
export function allGatherRounds(words: number, rounds: number): void {
  const { mpi } = startMpi();
  guarded(() => mpi.allgather(words, rounds));
}

/** Whether a launcher started this process: Open MPI's own, or one that speaks PMIx, as Slurm's does. */
export function launched(): boolean {
  return process.env.OMPI_COMM_WORLD_SIZE !== undefined || process.env.PMIX_RANK !== undefined;
}

/**
 * Ends MPI once every process is about to. MPI_Finalize alone would wait for a process that died or hangs, so each first
 * says that it is ready. A process that ended well waits for the others, as MPI asks; one that failed gives them `GRACE_MS`. Where a
 * process has died, or the time is up, the job is aborted.
 */
function farewell(mpi: NativeMpi, rank: number, size: number, code: number): void {
  const waiting = new Set(Array.from({ length: size }, (_, peer) => peer));
  waiting.delete(rank);
  const message = new Int32Array([FAREWELL]);
  const grace = new Deadline().start(GRACE_MS);
  try {
    const group = mpi.openGroup(PROCESS_TAG, message.length, null, 1);
    for (const peer of waiting) mpi.send(peer, PROCESS_TAG, message, 1);
    while (waiting.size > 0) {
      const from = mpi.receive(group, message, 50, 0);
      waiting.delete(from);
      if (from >= 0) continue;
      const died = [...waiting].some((peer) => mpi.peerEnded(peer));
      if (died || (code !== 0 && grace.slice() === 0)) break;
    }
    if (waiting.size === 0) {
      mpi.finalize();
      return;
    }
  } catch {
    // What MPI returned says that the peers cannot be reached.
  }
  mpi.abort(code > 0 && code < 256 ? code : 1);
}

/** A number that processes share which see each other's process ids: of the same boot, in the same namespace. */
function hostNumber(): number {
  const boot = readOrNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8'));
  const names = readOrNothing(() => readlinkSync('/proc/self/ns/pid'));
  return fnv1a(Array.from(`${boot} ${names}`, (character) => character.charCodeAt(0)));
}

/** Without its text a process id says nothing; one's own then stands for the host, which no other process shares. */
function readOrNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return `${process.pid}-${performance.timeOrigin}`;
  }
}
