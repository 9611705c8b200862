import { LockstepError } from '../../errors.js';
import { startMpi } from './world.js';

/**
 * Data-parallel ranks of this MPI job: one a process, or one a replica of `tensorParallelSize` processes. Errors: ERR_CONFIG_INVALID where
 * `ranks` is another number; ERR_TRANSPORT_UNAVAILABLE.
 */
export function jobRanks({
  ranks: given,
  tensorParallelSize,
}: {
  readonly ranks?: number | undefined;
  readonly tensorParallelSize: number;
}): number {
  const { size } = startMpi();
  const ranks = given ?? Math.max(1, Math.floor(size / tensorParallelSize));
  if (ranks * tensorParallelSize === size) return ranks;
  throw new LockstepError(
    'ERR_CONFIG_INVALID',
    `ranks is ${ranks} and tensorParallelSize is ${tensorParallelSize}, which takes ${ranks * tensorParallelSize} processes, and this MPI job has ${size}: leave ranks out, or start as many processes.`,
    { ranks, tensorParallelSize, processes: size, options: ['ranks', 'tensorParallelSize'] },
  );
}
