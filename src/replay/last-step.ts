import { indexOf, nameIn, VOTE_WORDS } from '../layout/index.js';
import type { RecordedCapture, Recording, RecordState, StepRecord } from '../recorder/index.js';

/** Where a rank's recording ends: in a step, or in a capture after it. */
export interface LastStep {
  /** The rank, from 0. */
  readonly rank: number;
  /** Number of its last step; in a capture, of the one that was to come next. */
  readonly step: number;
  /** The all-gather of that step, from 1; in a capture, that of its last agreement. */
  readonly sequence: number;
  /** How far the step came; in a capture `voted`, `gathered` once the ranks agreed, and `launched` once it was done. */
  readonly state: Exclude<RecordState, 'none'>;
  /** Whether it never entered that all-gather. */
  readonly refused: boolean;
  /** Code of the error that the step ended with; null where there was none, or no time to say so. */
  readonly error: string | null;
  /** What the ranks of a capture were to agree on; null in a step. */
  readonly capture: Pick<RecordedCapture, 'stage' | 'key'> | null;
  /** What it had voted; null in a capture. */
  readonly vote: {
    /** Whether to `run`, to `leave` or to report a `fault`; `damaged` for a word that is none of these. */
    readonly control: string;
    /** Real tokens. */
    readonly tokens: number;
    /** Requests that prefill. */
    readonly prefills: number;
    /** Requests that decode. */
    readonly decodes: number;
  } | null;
}

/** The last record of a recording; null where it holds none, or a capture came after it. */
export function lastRecord({ records, capture }: Recording): StepRecord | null {
  const record = records.at(-1);
  if (record === undefined || capture === null) return record ?? null;
  const later = (capture.sequence - record.sequence) | 0;
  // The all-gather that a step never entered is that of the capture after it.
  return later > 0 || (later === 0 && record.refused) ? null : record;
}

/** Where a recording ends; null where it holds neither a step nor a capture. */
export function lastStep(recording: Recording): LastStep | null {
  const { rank, capture } = recording;
  const record = lastRecord(recording);
  if (record === null) {
    if (capture === null) return null;
    const { stage, key, step, sequence, state, refused, error } = capture;
    return { rank, step, sequence, state, refused, error, capture: { stage, key }, vote: null };
  }
  const { step, sequence, state, refused, error, row } = record;
  const vote = {
    control: nameIn('CONTROL', row[V.control] as number) ?? 'damaged',
    tokens: row[V.tokens] as number,
    prefills: row[V.prefillRequests] as number,
    decodes: row[V.decodeRequests] as number,
  };
  return { rank, step, sequence, state, refused, error, capture: null, vote };
}

const V = indexOf(VOTE_WORDS);
