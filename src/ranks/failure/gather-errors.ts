import { LockstepError } from '../../errors.js';
import type { GroupMemory } from '../threads/group-memory.js';

/** A rank that an all-gather waits for. */
export interface MissingRank {
  readonly rank: number;
  /** The all-gather it entered last; 0 for none. */
  readonly sequence: number;
  /** Whether it ever joined the group. */
  readonly joined: boolean;
  /** Milliseconds since it last waited for anything; null if it never did. */
  readonly heartbeatAgeMs: number | null;
}

export function missingRanks(memory: GroupMemory, sequence: number): MissingRank[] {
  const missing: MissingRank[] = [];
  for (let rank = 0; rank < memory.size; rank++) {
    const arrived = memory.arrived(rank);
    if (arrived === sequence >>> 0) continue;
    missing.push({
      rank,
      sequence: arrived,
      joined: memory.joined(rank),
      heartbeatAgeMs: memory.heartbeatAge(rank),
    });
  }
  return missing;
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

/** `ERR_RANKS_DIVERGED`: the sequence numbers cannot be those of ranks that entered the same all-gathers. */
export function divergedError(memory: GroupMemory, sequence: number): LockstepError {
  const sequences = Array.from({ length: memory.size }, (_, rank) => memory.arrived(rank));
  const ranks = sequences.flatMap((seen, rank) =>
    seen === sequence >>> 0 || seen === (sequence - 1) >>> 0 ? [] : [rank],
  );
  return new LockstepError(
    'ERR_RANKS_DIVERGED',
    `In all-gather ${sequence}, ${ranks.map((rank) => `rank ${rank} is at ${sequences[rank]}`).join(', ')}; ` +
      'every rank must enter every all-gather of its group, and nothing else may write the shared memory.',
    { sequence, ranks, sequences },
  );
}

/** Why a group ends when a peer needs a rank that left it. */
export function leftError(sequence: number): LockstepError {
  return new LockstepError('ERR_RANK_LOST', `it left the group after all-gather ${sequence}.`, { sequence });
}
