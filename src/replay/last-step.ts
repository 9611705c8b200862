import { indexOf, nameIn, VOTE_WORDS } from '../layout/index.js';
import type { Recording, RecordState } from '../recorder/index.js';

/** Where a rank's recording ends. */
export interface LastStep {
  /** The rank, from 0. */
  readonly rank: number;
  /** Number of its last step. */
  readonly step: number;
  /** The all-gather of that step, from 1. */
  readonly sequence: number;
  /** How far the step came. */
  readonly state: Exclude<RecordState, 'none'>;
  /** Whether it never entered that all-gather. */
  readonly refused: boolean;
  /** Code of the error that the step ended with; null where there was none, or no time to say so. */
  readonly error: string | null;
  /** What it had voted. */
  readonly vote: {
    /** Whether to `run`, to `leave` or to report a `fault`; `damaged` for a word that is none of these. */
    readonly control: string;
    /** Real tokens. */
    readonly tokens: number;
    /** Requests that prefill. */
    readonly prefills: number;
    /** Requests that decode. */
    readonly decodes: number;
  };
}

/** Where a recording ends; null where it holds no step. */
export function lastStep({ rank, records }: Recording): LastStep | null {
  const record = records.at(-1);
  if (record === undefined) return null;
  const { step, sequence, state, refused, error, row } = record;
  const vote = {
    control: nameIn('CONTROL', row[V.control] as number) ?? 'damaged',
    tokens: row[V.tokens] as number,
    prefills: row[V.prefillRequests] as number,
    decodes: row[V.decodeRequests] as number,
  };
  return { rank, step, sequence, state, refused, error, vote };
}

const V = indexOf(VOTE_WORDS);
