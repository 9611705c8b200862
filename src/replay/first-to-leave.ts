import { RECORD_STATES, type Recording } from '../recorder/index.js';
import { type LastStep, lastStep } from './last-step.js';

/** Which ranks left step before the others, as far as that can be known. */
export interface Leavers {
  /** The rank that left first; null if none is known. */
  readonly first: LastStep | null;
  /** Ranks behind all others of which it is not known whether they left first. */
  readonly behind: readonly number[];
  /** Whether the recordings end more than one step apart, which those of one moment cannot. */
  readonly apart: boolean;
}

/** Where one recording ends, and whether its recorder was disposed of. */
interface End extends LastStep {
  readonly ended: boolean;
}

/** Errors by which a rank learns of another's end. */
const TOLD: readonly (string | null)[] = ['ERR_RANK_LOST', 'ERR_COLLECTIVE_TIMEOUT'];

/**
 * Finds who left step first. A rank that failed by itself left before those that only heard of it. One that stopped without a word is the only one
 * without an error, or, where it came back later, behind the others.
 *
 * Where no rank has an error, none has missed another yet: they may all still run, or were all killed at once. Then a rank has left for sure only if its
 * recorder was disposed of before an all-gather that another rank entered; those behind may just be about to go on. The same holds where recordings
 * end more than one step apart: they were read one after the other, while the ranks ran.
 */
export function firstToLeave(recordings: readonly Recording[]): Leavers {
  const ends = recordings.flatMap((each) => {
    const last = lastStep(each);
    return last === null ? [] : [{ ...last, ended: each.ended === true }];
  });
  const [some] = ends;
  if (some === undefined) return { first: null, behind: [], apart: false };
  const steps = ends.map(({ step }) => (step - some.step) | 0);
  const apart = Math.max(...steps) - Math.min(...steps) > 1;
  const own = ends.filter(({ error }) => error !== null && !TOLD.includes(error));
  if (own.length === 1) return { first: own[0] as End, behind: [], apart };
  if (apart) return { first: null, behind: [], apart };
  const silent = ends.filter(({ error }) => error === null);
  if (silent.length === ends.length) {
    const left = furthestBehind(ends, some).filter(
      ({ ended, sequence }) => ended && ends.some((other) => ((other.sequence - sequence) | 0) > 0),
    );
    return left.length === 1
      ? { first: left[0] as End, behind: [], apart }
      : { first: null, behind: furthestBehind(ends, some).map(({ rank }) => rank), apart };
  }
  if (silent.length === 1 && own.length === 0) return { first: silent[0] as End, behind: [], apart };
  const behind = furthestBehind(ends, some);
  return behind.length === 1
    ? { first: behind[0] as End, behind: [], apart }
    : { first: null, behind: behind.map(({ rank }) => rank), apart };
}

/** Those that came less far than another; none where all came as far. */
function furthestBehind(ends: readonly End[], from: End): End[] {
  const came = ends.map((each) => progress(each, from.sequence));
  const least = Math.min(...came);
  return came.every((each) => each === least) ? [] : ends.filter((_, index) => came[index] === least);
}

/** How far a rank came beyond all-gather `from`, as one number. Sequence numbers are of 32 bits and wrap. */
function progress({ sequence, state, refused }: End, from: number): number {
  return ((sequence - from) | 0) * RECORD_STATES.length + (refused ? 0 : RECORD_STATES.indexOf(state));
}
