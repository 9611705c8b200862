import { Worker } from 'node:worker_threads';
import { LockstepError } from '../errors.js';
import type { PlannerModules } from '../memory/index.js';
import type { ThreadsGroup } from '../ranks/index.js';

/** What a thread needs to be a rank of a bench. */
export interface AgreementSeat {
  readonly modules: PlannerModules;
  readonly group: ThreadsGroup;
  readonly rank: number;
  readonly barrier: SharedArrayBuffer;
}

/**
 * Starts a thread for each seat. Resolves once all of them have joined: the first rank waits for the others without hearing from them. Unless
 * all start, ends them and throws. Errors: ERR_RANK_LOST, its cause what the thread threw.
 */
export async function startAgreementThreads(seats: readonly AgreementSeat[]): Promise<readonly Worker[]> {
  const workers: Worker[] = [];
  try {
    await Promise.all(
      seats.map((workerData) => {
        const worker = new Worker(new URL('./agreement-worker.js', import.meta.url), { workerData });
        workers.push(worker);
        return joined(worker, workerData.rank);
      }),
    );
    return workers;
  } catch (error) {
    await Promise.all(workers.map((worker) => worker.terminate()));
    throw error;
  }
}

/** Resolves with the message that a thread sends once its rank has joined. What ends the thread later is no matter of its start. */
function joined(worker: Worker, rank: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const lost = (why: string, cause?: unknown): void =>
      reject(
        new LockstepError('ERR_RANK_LOST', `The thread of rank ${rank} did not start: ${why}`, { rank }, { cause }),
      );
    const failed = (thrown: unknown): void => lost(thrown instanceof Error ? thrown.message : String(thrown), thrown);
    const ended = (code: number): void => lost(`it ended with exit code ${code}`);
    worker.once('message', () => {
      worker.off('error', failed).off('exit', ended);
      resolve();
    });
    worker.once('error', failed).once('exit', ended);
  });
}
