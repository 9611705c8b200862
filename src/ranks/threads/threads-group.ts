import { checkArguments, Faults } from '../../checks.js';
import { MAX_RANKS } from '../../config.js';
import { asLockstepError, LockstepError } from '../../errors.js';
import { SYSTEM_TIMING, type Timing } from '../../timing.js';
import { DEFAULT_ROW_WORDS, MAX_ROW_WORDS } from '../collective.js';
import { GROUP_MAGIC, GroupMemory, groupBytes } from './group-memory.js';

/** What the ranks of a `threads` group share. Plain data over a SharedArrayBuffer: it goes to workers as `workerData`. */
export interface ThreadsGroup {
  /** Ranks of the group. */
  readonly size: number;
  /** Words of one row. */
  readonly rowWords: number;
  /** The rows, and the words that ranks wait on. */
  readonly memory: SharedArrayBuffer;
}

/** Options of `createThreadsGroup`. */
export interface ThreadsGroupOptions {
  /** Words of one row, 1 to 64. Default: one vote. */
  readonly rowWords?: number;
}

/** Makes the shared state of `size` ranks (1 to 64). @throws `ERR_CONFIG_INVALID`. */
export function createThreadsGroup(size: number, options: ThreadsGroupOptions = {}): ThreadsGroup {
  checkArguments('createThreadsGroup', { options: [options, 'object'] });
  const rowWords = options.rowWords ?? DEFAULT_ROW_WORDS;
  const faults = new Faults();
  faults.names('a threads group', options, ['rowWords']);
  faults.integer('size', size, 1, MAX_RANKS);
  faults.integer('rowWords', rowWords, 1, MAX_ROW_WORDS);
  faults.throwIfAny('This threads group');
  const memory = new SharedArrayBuffer(groupBytes(size, rowWords));
  GroupMemory.write(memory, size, rowWords);
  return { size, rowWords, memory };
}

/** The group's memory, after its header was compared with what the handle says. @throws `ERR_INPUT_INVALID`. */
export function openGroup(group: ThreadsGroup, timing: Timing = SYSTEM_TIMING): GroupMemory {
  checkArguments('joinThreads', { group: [group, 'object', 'size', 'rowWords', 'memory'] });
  const { size, rowWords, memory } = group;
  const words = memory instanceof SharedArrayBuffer && memory.byteLength >= 64 ? new Int32Array(memory, 0, 3) : null;
  const whole =
    words !== null &&
    words[0] === GROUP_MAGIC &&
    words[1] === size &&
    words[2] === rowWords &&
    memory.byteLength === groupBytes(size, rowWords);
  if (whole) return new GroupMemory(memory, size, rowWords, timing);
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    'This is not a threads group, or its sizes were changed; pass what createThreadsGroup returned.',
    { size, rowWords, bytes: memory?.byteLength ?? null },
  );
}

/**
 * Ends the group on behalf of `rank`, which can no longer do so itself: every wait of every rank throws
 * `ERR_RANK_LOST` naming it. For the thread that supervises the ranks; a rank calls its own `abort`, which takes the same reasons.
 * @returns whether the group had not ended before.
 * @throws `ERR_CONFIG_INVALID` for a rank that does not exist, `ERR_INPUT_INVALID`.
 */
export function abortGroup(group: ThreadsGroup, rank: number, reason?: unknown): boolean {
  const memory = openGroup(group);
  const faults = new Faults();
  faults.integer('rank', rank, 0, memory.size - 1);
  faults.throwIfAny('This rank');
  return memory.end(memory.size, rank, asLockstepError(reason));
}

/**
 * Asks every rank to stop at the next step they agree on: sets the word that `isInterrupted` reads, and ends the park of ranks
 * that are parked, or the next one, so that they notice it.
 */
export function interruptGroup(group: ThreadsGroup): void {
  openGroup(group).interrupt();
}

/** Whether `interruptGroup` was called. */
export function isInterrupted(group: ThreadsGroup): boolean {
  return openGroup(group).interrupted;
}

/**
 * Milliseconds since each rank last stamped its heartbeat, null for a rank that never did. A waiting rank stamps at
 * least every 50 ms; one that computes does not, so an old stamp alone does not mean that a rank is dead.
 */
export function heartbeatAges(group: ThreadsGroup): (number | null)[] {
  const memory = openGroup(group);
  return Array.from({ length: group.size }, (_, rank) => memory.heartbeatAge(rank));
}
