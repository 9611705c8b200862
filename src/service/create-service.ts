import { LockstepError } from '../errors.js';
import { startMpi, superviseRanks } from '../ranks/index.js';
import { EncoderThread } from './encoder-thread.js';
import type { RankSetup } from './rank-setup.js';
import { Service } from './service.js';
import { completeServiceOptions, type ServiceOptions } from './service-options.js';

/**
 * Starts a service: its ranks, threads or processes, load the model, capture their graphs and wait for requests. Close it, or declare it with
 * `await using`, to end them. Errors: `ERR_CONFIG_INVALID` (every fault at once), `ERR_PLAN_CAPACITY`, `ERR_DEVICE_UNAVAILABLE`,
 * those of the model's files, and `ERR_RANK_LOST` where a rank fails as it starts.
 */
export async function createService(options: ServiceOptions): Promise<Service> {
  const complete = await completeServiceOptions(options, 'createService');
  if (complete.transport === 'mpi' && startMpi().rank > 0) throw notFirst(startMpi().rank);
  const { directory, vocabSize } = complete.model;
  if (options.tokenizer !== undefined || directory === null) {
    return await Service.start(complete, options.tokenizer ?? null, null);
  }
  // Loaded for models that may have one.
  const { openTokenizer } = await import('../checkpoint/index.js');
  const tokenizer = await openTokenizer(directory);
  const encoder = tokenizer === null ? null : new EncoderThread({ directory, vocabSize }, complete.maxQueue);
  return await Service.start(complete, tokenizer, encoder);
}

/**
 * Serves as one of the other processes of an MPI job, whose first process makes the service with the same options. Resolves when that
 * service is closed. Errors: those of `createService`; `ERR_RANK_LOST` where another process was lost.
 */
export async function serveMpiRank(options: ServiceOptions): Promise<void> {
  const { setup, transport } = await completeServiceOptions(options, 'serveMpiRank');
  if (transport !== 'mpi') throw notJob(transport);
  if (startMpi().rank === 0) throw notBeside();
  await superviseRanks({
    ranks: 1,
    entry: new URL('./rank-worker.js', import.meta.url),
    workerData: () => ({ ...setup, order: null }) satisfies RankSetup,
  });
}

/** `createService` was called on another process than the first. */
function notFirst(rank: number): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `This is process ${rank} of an MPI job, and the first one makes the service; call serveMpiRank() here`,
    { rank, options: ['transport'] },
  );
}

/** `serveMpiRank` was called by what is no MPI job. */
function notJob(transport: string): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    `transport is ${transport}, and serveMpiRank() serves as a process of an MPI job; set transport to mpi, or call createService() here`,
    { options: ['transport'] },
  );
}

/** `serveMpiRank` was called on the first process. */
function notBeside(): LockstepError {
  return new LockstepError(
    'ERR_CONFIG_INVALID',
    'This is process 0 of an MPI job, which makes the service; call createService() here, and serveMpiRank() on the others',
    { rank: 0, options: ['transport'] },
  );
}
