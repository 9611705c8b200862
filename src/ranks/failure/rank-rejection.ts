import { LockstepError } from '../../errors.js';
import type { RankWorker } from '../threads/rank-worker.js';
import { sentence } from './loss-record.js';

/** What a run of ranks rejects with, from the ranks that broke, in that order; null if none did. */
export function rejectionOf(broken: readonly RankWorker[], ranks: number): Error | null {
  if (broken.length === 0) return null;
  // A rank that lost a peer is not the first cause, unless no rank has another error: then a peer left too early.
  const root = broken.find((worker) => worker.state === 'lost' || codeOf(worker) !== 'ERR_RANK_LOST') ?? broken[0];
  const { rank, error } = root;
  if (error === null) return null;
  const code = codeOf(root);
  const ownError = root.state === 'failed' && code !== null;
  const raisedByAll =
    broken.length === ranks && broken.every((worker) => worker.state === 'failed' && codeOf(worker) === code);
  // Of ranks that all raised it, the one that caused it knows why.
  if (ownError && raisedByAll) return broken.find((worker) => worker.error?.cause !== undefined)?.error ?? error;
  // These name the ranks that are missing, or did what no other did; the rank that noticed is not the one at fault.
  if (ownError && (code === 'ERR_RANK_LOST' || code === 'ERR_COLLECTIVE_TIMEOUT' || namesOthers(rank, error)))
    return error;
  return new LockstepError(
    'ERR_RANK_LOST',
    `Rank ${rank} is lost: ${sentence(error.message)} All ranks have ended; correct the cause and start them again.`,
    { rank, causeCode: code, causeMessage: error.message },
    { cause: error },
  );
}

/**
 * Whether a rank found that others diverged. A row that is not as its rank sealed it, which that rank alone saw, was damaged where it
 * was found.
 */
function namesOthers(rank: number, error: Error): boolean {
  if (!(error instanceof LockstepError) || error.code !== 'ERR_RANKS_DIVERGED') return false;
  const { ranks, what } = error.details;
  return Array.isArray(ranks) && !ranks.includes(rank) && what !== 'seal';
}

function codeOf({ error }: RankWorker): string | null {
  return error instanceof LockstepError ? error.code : null;
}
