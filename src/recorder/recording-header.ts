import { LockstepError } from '../errors.js';
import { indexOf, LAYOUT_VERSION, VOTE_WORDS } from '../layout/index.js';
import {
  HEADER_ROOM,
  HEADER_WORDS,
  HEADER_WORDS_1,
  MAGIC,
  MAX_STEPS,
  RECORD_WORDS,
  RECORDING_VERSION,
} from './recording-layout.js';

/** The words of a recording before its document, checked, by name. */
export interface RecordingHeader {
  /** A word as it is; 0 where the version of the recording lacks it. */
  readonly word: (name: (typeof HEADER_WORDS)[number]) => number;
  readonly version: number;
  readonly rank: number;
  readonly ranks: number;
  readonly slots: number;
  /** First word of the ring. */
  readonly ring: number;
  /** Words of a record. */
  readonly recordWords: number;
  /** Bytes from the beginning of the file to the end of the ring. */
  readonly bytes: number;
}

/** Bytes from which a header is read. */
export const HEADER_BYTES: number = 4 * HEADER_ROOM;

/** Whether a file begins as a recording does. */
export function isRecording(head: Uint8Array): boolean {
  return head.length >= 4 && new DataView(head.buffer, head.byteOffset).getInt32(0, true) === MAGIC;
}

/** Reads the header of a recording, named `source` in errors, from its first bytes. Errors: ERR_INPUT_INVALID. */
export function readHeader(head: Uint8Array, source: string): RecordingHeader {
  if (head.length < 4 * HEADER_WORDS_1 || !isRecording(head)) throw notOne(source, 'it does not begin as one');
  const view = new DataView(head.buffer, head.byteOffset, Math.min(head.length, HEADER_BYTES));
  const at = (index: number): number => (4 * index + 4 <= view.byteLength ? view.getInt32(4 * index, true) : 0);
  const version = at(H.version);
  if (version < 1 || version > RECORDING_VERSION) {
    const message = `it has version ${version}, and this version of Lockstep reads 1 to ${RECORDING_VERSION}`;
    throw notOne(source, message);
  }
  if (at(H.layoutVersion) !== LAYOUT_VERSION || at(H.voteWords) !== VOTE_WORDS.length) {
    const message = `its votes have version ${at(H.layoutVersion)}, and this version of Lockstep reads ${LAYOUT_VERSION}`;
    throw notOne(source, message);
  }
  const words = version === 1 ? HEADER_WORDS_1 : HEADER_ROOM;
  const [rank, ranks, slots, ring] = [at(H.rank), at(H.ranks), at(H.slots), at(H.ringOffset) / 4];
  const recordWords = RECORD_WORDS.length + (1 + ranks) * VOTE_WORDS.length;
  const sound = ranks >= 1 && rank >= 0 && rank < ranks && slots >= 1 && slots <= MAX_STEPS;
  if (!sound || at(H.recordWords) !== recordWords || !Number.isInteger(ring) || ring < words) {
    throw notOne(source, 'its header says what cannot be');
  }
  const word = (name: (typeof HEADER_WORDS)[number]): number => (H[name] < words ? at(H[name]) : 0);
  return { word, version, rank, ranks, slots, ring, recordWords, bytes: 4 * (ring + slots * recordWords) };
}

/** The error for what is no recording. */
export function notOne(source: string, what: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${source} is no recording: ${what}`, { path: source });
}

const H = indexOf(HEADER_WORDS);
