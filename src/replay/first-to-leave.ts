import { ENUMS, indexOf, VOTE_WORDS } from '../layout/index.js';
import { RECORD_STATES, type Recording, type StepRecord } from '../recorder/index.js';
import { type LastStep, lastRecord, lastStep } from './last-step.js';

/** Which ranks left step before the others, as far as that can be known. */
export interface Leavers {
  /** The rank that left first; null if none is known. */
  readonly first: LastStep | null;
  /** Ranks behind all others of which it is not known whether they left first. */
  readonly behind: readonly number[];
  /** Whether the recordings end more than one step apart, which those of one moment cannot. */
  readonly apart: boolean;
}

/** Where one recording ends, and what that says of its rank. */
interface End {
  readonly last: LastStep;
  /** Ranks of its group. */
  readonly ranks: number;
  /** It failed by itself, heard of another's end, or stopped without a word. */
  readonly how: 'failed' | 'heard' | 'silent';
  /** Ranks that voted a fault, where the step ended by one that all agreed on. */
  readonly faulty: readonly number[];
  /** Whether its recorder was disposed of. */
  readonly ended: boolean;
}

/**
 * Finds who left step first, by how each recording ends:
 *
 * | last record | its rank |
 * |---|---|
 * | `ERR_RANK_LOST`, `ERR_COLLECTIVE_TIMEOUT`; `ERR_RANKS_DIVERGED` on several | *heard* of another's end, or found with others what another did |
 * | no error | is *silent*: killed, stopped, ended in order, or still running |
 * | `ERR_ABORTED` before the all-gather; a fault, or the end of a capture, that all agreed on | is silent too: these leave the group whole, and the rank could go on |
 * | any other error | *failed* by itself |
 *
 * 1. Ranks that failed left before those that only heard of it.
 * 2. Where none failed and some heard of an end, it was a silent one.
 * 3. Where all heard of one, it was one that stalled, came back, and is behind the others, unless a rank without a recording can have been it.
 * 4. Of several, it was the one that came less far; if that is not one, those are `behind`.
 * 5. Where all are silent, none has missed another yet: they may all still run, or were all killed at once. A rank has left for sure only if its
 *    recorder was disposed of before an all-gather that another entered.
 * 6. Recordings that end more than one step apart were read one after the other, while the ranks ran: only a failure counts in them.
 */
export function firstToLeave(recordings: readonly Recording[]): Leavers {
  const ends = endsOf(recordings);
  const apart = stepsApart(ends) > 1;
  const those = (how: End['how']): End[] => ends.filter((each) => each.how === how);
  const [failed, heard, silent] = [those('failed'), those('heard'), those('silent')];
  const found = (left: readonly End[], sure: boolean): Leavers => {
    const [only, ...others] = left;
    if (only !== undefined && others.length === 0 && sure) return { first: only.last, behind: [], apart };
    // Where all came as far, none is behind.
    return { first: null, behind: left.length === ends.length ? [] : left.map(({ last }) => last.rank), apart };
  };
  if (apart) return found(failed.length === 1 ? failed : [], true);
  if (failed.length + heard.length === 0) {
    const behind = furthestBehind(ends);
    const left = behind.filter((each) => each.ended && ends.some((other) => isLater(other, each)));
    return left.length > 0 ? found(left, true) : found(behind, false);
  }
  const suspects = failed.length > 0 ? failed : silent.length > 0 ? silent : heard;
  const complete = ends.length === ends[0]?.ranks;
  return found(furthestBehind(suspects), suspects !== heard || complete);
}

/** Ranks that voted the fault by which the last step of all ended; none where a rank has gone on since. */
export function lastFaulty(recordings: readonly Recording[]): readonly number[] {
  const ends = endsOf(recordings);
  const newest = ends.filter((each) => !ends.some((other) => isLater(other, each)));
  const faulty = newest.flatMap((each) => each.faulty);
  return [...new Set(faulty)].sort((a, b) => a - b);
}

function endsOf(recordings: readonly Recording[]): End[] {
  const lasts = recordings.map((recording) => ({ recording, last: lastStep(recording) }));
  const diverged = lasts.filter(({ last }) => last?.error === DIVERGED).length;
  const heard = diverged > 1 ? [...HEARD, DIVERGED] : HEARD;
  return lasts.flatMap(({ recording, last }) => (last === null ? [] : [endOf(recording, last, heard)]));
}

function endOf(recording: Recording, last: LastStep, heard: readonly string[]): End {
  const { error, refused } = last;
  const record = lastRecord(recording);
  const faulty = record === null ? [] : agreedFault(record);
  const goesOn = error === null || faulty.length > 0 || (error === 'ERR_ABORTED' && refused) || agreedEnd(last);
  const how = goesOn ? 'silent' : heard.includes(error) ? 'heard' : 'failed';
  return { last, how, faulty, ended: recording.ended === true, ranks: recording.ranks };
}

/** Ranks that voted a fault in the table of a step that ended by it on all ranks. The same code from a forward is of one rank alone, later in the step. */
function agreedFault({ error, state, table }: StepRecord): readonly number[] {
  if (table === null || state !== 'gathered' || error !== 'ERR_RANK_FAULT') return [];
  const ranks = Array.from({ length: table.length / VOTE_WORDS.length }, (_, rank) => rank);
  return ranks.filter((rank) => table[rank * VOTE_WORDS.length + CONTROL] === ENUMS.CONTROL.fault);
}

/** Whether a capture ended by what all ranks agreed on. The same code from a forward or a callback is of one rank alone, after they agreed. */
function agreedEnd({ capture, state, refused, error }: LastStep): boolean {
  const agreed = error === 'ERR_ABORTED' || error === 'ERR_CAPTURE_ASYMMETRIC';
  return capture !== null && state === 'voted' && !refused && agreed;
}

/** Errors by which a rank learns of another's end. */
const HEARD: readonly string[] = ['ERR_RANK_LOST', 'ERR_COLLECTIVE_TIMEOUT'];
/** What a rank finds in the rows of others, or alone in a table of its own that is damaged. */
const DIVERGED = 'ERR_RANKS_DIVERGED';

/** Those that came less far than the others. */
function furthestBehind(ends: readonly End[]): readonly End[] {
  const came = ends.map((each) => progress(each, ends[0] as End));
  const least = Math.min(...came);
  return ends.filter((_, index) => came[index] === least);
}

/** How far a rank came beyond the all-gather of `from`, as one number. */
function progress({ last: { sequence, state, refused } }: End, from: End): number {
  return ((sequence - from.last.sequence) | 0) * RECORD_STATES.length + (refused ? 0 : RECORD_STATES.indexOf(state));
}

/** Whether a rank entered an all-gather after the last that another entered. Numbers of all-gathers are of 32 bits and wrap. */
function isLater(end: End, than: End): boolean {
  return ((entered(end) - entered(than)) | 0) > 0;
}

function entered({ last: { sequence, refused } }: End): number {
  return refused ? sequence - 1 : sequence;
}

/** Most steps that lie between the ends of two recordings. */
function stepsApart(ends: readonly End[]): number {
  const steps = ends.map(({ last }) => (last.step - (ends[0] as End).last.step) | 0);
  return Math.max(...steps) - Math.min(...steps);
}

const CONTROL: number = indexOf(VOTE_WORDS).control;
