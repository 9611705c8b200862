import type { DevicePlace, DeviceStream } from '../../device/index.js';
import { LockstepError } from '../../errors.js';

/** The kinds of collectives, in the order of their numbers. */
export const COLLECTIVE_KINDS = ['all-gather', 'reduce-scatter', 'all-reduce', 'all-to-all'] as const;
/** What a collective does with the elements that the ranks send. */
export type CollectiveKind = (typeof COLLECTIVE_KINDS)[number];

/**
 * One collective over int32 elements. Sums are modulo 2^32. `counts` are those of the whole group and equal on all ranks:
 *
 * | kind | counts | send | recv |
 * |---|---|---|---|
 * | `all-gather` | of each rank | `counts[rank]` | the sum: each rank's elements, by rank, without gaps |
 * | `reduce-scatter` | of each rank | the sum | `counts[rank]`: the sums of this rank's elements |
 * | `all-reduce` | one | `counts[0]` | `counts[0]` |
 * | `all-to-all` | one, for each peer | `size * counts[0]` | `size * counts[0]` |
 *
 * A rank whose count is 0 takes part and moves nothing. `send` and `recv` may not overlap.
 */
export interface CollectiveCall {
  readonly kind: CollectiveKind;
  readonly send: DevicePlace;
  readonly recv: DevicePlace;
  readonly counts: readonly number[];
}

/** A collective whose addresses and counts are fixed: enqueues it on a stream, any number of times. */
export type PreparedCollective = (stream: DeviceStream) => void;

/**
 * `solo`: one rank. `local`: ranks that are threads of this process. `mpi`: ranks that are processes of an MPI job, with host devices. `nccl`,
 * `rccl`: ranks with a GPU each. `none`: these ranks cannot exchange device memory.
 */
export type CollectivesImplementation = 'solo' | 'local' | 'mpi' | 'nccl' | 'rccl' | 'none';

/** The collectives of a group of ranks on their devices. Every rank must enter the same ones in the same order. */
export interface DeviceCollectives extends Disposable {
  /** How data crosses the ranks' devices. */
  readonly implementation: CollectivesImplementation;
  /** Why it is this one. */
  readonly reason: string;
  /** This rank, from 0. */
  readonly rank: number;
  /** Ranks of the group. */
  readonly size: number;
  /** Whether graphs hold them. Where not, graphs are cut at each: it runs between two pieces. */
  readonly capturable: boolean;
  /**
   * @throws `ERR_INPUT_INVALID` for counts that are none; what it returns throws `ERR_RANKS_DIVERGED` where the ranks' calls
   *   differ, `ERR_COLLECTIVE_TIMEOUT` and `ERR_RANK_LOST`, each on all ranks that wait.
   */
  prepare(call: CollectiveCall): PreparedCollective;
  /** Ends the group: every rank's present and later collectives throw `ERR_RANK_LOST` with this rank and `reason`. */
  abort(reason?: unknown): void;
}

/** Elements before each rank's own, and of all. */
export function offsetsOf(counts: readonly number[]): { readonly before: readonly number[]; readonly total: number } {
  let total = 0;
  const before = counts.map((count) => {
    const at = total;
    total += count;
    return at;
  });
  return { before, total };
}

/** @throws `ERR_INPUT_INVALID` unless there is a count for each rank, or one where all have the same. */
export function checkCounts({ kind, counts }: CollectiveCall, size: number): void {
  const wanted = kind === 'all-gather' || kind === 'reduce-scatter' ? size : 1;
  if (counts.length === wanted && counts.every((count) => Number.isSafeInteger(count) && count >= 0)) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `counts of an ${kind} among ${size} ranks are [${counts.join(', ')}]; give ${wanted} whole numbers, 0 or more`,
    { kind, counts: [...counts], size },
  );
}
