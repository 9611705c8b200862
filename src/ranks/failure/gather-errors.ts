import { LockstepError } from '../../errors.js';

/** What a rank has seen of all ranks of its group, itself included. */
export interface SeenRanks {
  readonly size: number;
  /** The all-gather a rank entered last, modulo 2^32. */
  arrived(rank: number): number;
  joined(rank: number): boolean;
  /** Milliseconds since the rank showed that it lives; null if it never did. */
  heartbeatAge(rank: number): number | null;
}

/** A rank that an all-gather waits for. */
export interface MissingRank {
  /** The rank, from 0. */
  readonly rank: number;
  /** The all-gather it entered last; 0 for none. */
  readonly sequence: number;
  /** Whether it ever joined the group. */
  readonly joined: boolean;
  /** Milliseconds since it last waited for anything, or, with `mpi`, since a message of it came; null if neither ever happened. */
  readonly heartbeatAgeMs: number | null;
}

/** The ranks that have not entered an all-gather. One that is in the next has completed it. */
export function missingRanks(seen: SeenRanks, sequence: number): MissingRank[] {
  const missing: MissingRank[] = [];
  for (let rank = 0; rank < seen.size; rank++) {
    const ahead = (seen.arrived(rank) - sequence) | 0;
    if (ahead !== 0 && ahead !== 1) missing.push(missingRank(seen, rank));
  }
  return missing;
}

export function missingRank(seen: SeenRanks, rank: number): MissingRank {
  return {
    rank,
    sequence: seen.arrived(rank),
    joined: seen.joined(rank),
    heartbeatAgeMs: seen.heartbeatAge(rank),
  };
}

/** `ERR_COLLECTIVE_TIMEOUT` naming the ranks that did not arrive. */
export function timeoutError(missing: readonly MissingRank[], sequence: number, timeoutMs: number): LockstepError {
  const named = missing.map(
    ({ rank, sequence: seen, joined }) =>
      `rank ${rank} (${joined ? `last seen at all-gather ${seen}` : 'never joined the group'})`,
  );
  return new LockstepError(
    'ERR_COLLECTIVE_TIMEOUT',
    `All-gather ${sequence} was not complete after ${timeoutMs} ms; still missing: ${named.join(', ')}. ` +
      'Check what those ranks are doing, or raise timeoutMs if a step may take that long.',
    { sequence, timeoutMs, missing, options: ['timeoutMs'] },
  );
}

/**
 * `ERR_RANKS_DIVERGED`: the sequence numbers cannot be those of ranks that entered the same all-gathers. Ranks are between the all-gather before
 * `sequence` and `last`.
 */
export function divergedError(seen: SeenRanks, sequence: number, last: number = sequence): LockstepError {
  const sequences = Array.from({ length: seen.size }, (_, rank) => seen.arrived(rank));
  const first = sequence - 1;
  const ranks = sequences.flatMap((at, rank) => ((at - first) >>> 0 <= (last - first) >>> 0 ? [] : [rank]));
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `In all-gather ${sequence}, ${ranks.map((rank) => `rank ${rank} is at ${sequences[rank]}`).join(', ')}; ` +
      'every rank must enter every all-gather of its group, and nothing else may write its memory or send its messages.',
    { sequence, ranks, sequences },
  );
}

/** Why a group ends when a peer needs a rank that left it. */
export function leftError(sequence: number): LockstepError {
  return new LockstepError('ERR_RANK_LOST', `it left the group after all-gather ${sequence}.`, { sequence });
}

/** A second all-gather of a rank while one is under way. */
export function orderError(rank: number, sequence: number): LockstepError {
  return new LockstepError(
    'ERR_STEP_ORDER',
    `Rank ${rank} is in all-gather ${sequence} still; await it before the next one.`,
    { rank, sequence },
  );
}

/** A call of a rank that has left its group. */
export function disposedError(rank: number): LockstepError {
  return new LockstepError('ERR_DISPOSED', `Rank ${rank} has left its group; to continue, make a new group.`, { rank });
}
