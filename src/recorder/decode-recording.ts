import { checkArguments } from '../checks.js';
import { indexOf, nameIn, VOTE_WORDS } from '../layout/index.js';
import type { RecordingDocument } from './recording-document.js';
import { notOne, type RecordingHeader, readHeader } from './recording-header.js';
import {
  CAPTURE_STAGES,
  type CaptureStage,
  ERROR_CHARACTERS,
  HEADER_WORDS,
  RECORD_STATES,
  RECORD_WORDS,
  type RecordState,
} from './recording-layout.js';

/** One step of a rank, as far as it came. */
export interface StepRecord {
  /** The step's number. */
  readonly step: number;
  /** The all-gather that it entered, from 1: those of captures count too. */
  readonly sequence: number;
  /** How far it came. */
  readonly state: Exclude<RecordState, 'none'>;
  /** Whether it never entered that all-gather, because its group had ended or its caller aborted. */
  readonly refused: boolean;
  /** Code of the error that the step ended with here; null where there was none, or no time to say so. */
  readonly error: string | null;
  /** Since the recorder was opened, in ms, modulo 2^32, which are 49.7 days; a look at the clock serves 16 steps. */
  readonly milliseconds: number;
  /** int32[32]: what it voted. */
  readonly row: Int32Array;
  /** int32[ranks, 32]: what it gathered; null before that. */
  readonly table: Int32Array | null;
  /** Hash of the decision it built; null before that. */
  readonly decisionHash: number | null;
  /** How the step ran; null before it was built, or where the recording is damaged. */
  readonly run: string | null;
  /** Device collectives it had entered once the step was launched, modulo 2^32; null before that. */
  readonly collectives: {
    /** Replayed in graphs. */
    readonly inGraphs: number;
    /** Enqueued in eager steps and between graphs. */
    readonly eager: number;
  } | null;
}

/** The last agreement of the last capture of a rank. */
export interface RecordedCapture {
  /** What the ranks were to agree on. */
  readonly stage: CaptureStage;
  /** Index of the key in the plan; null where they agreed on which keys all have. */
  readonly key: number | null;
  /** Number of the step that was to come next. */
  readonly step: number;
  /** The all-gather that the rank entered for it, from 1. */
  readonly sequence: number;
  /** `voted`: it entered the all-gather; `gathered`: the ranks agreed, and it went on; `launched`: the capture is done. */
  readonly state: 'voted' | 'gathered' | 'launched';
  /** Whether it never entered that all-gather. */
  readonly refused: boolean;
  /** Code of the error that the capture ended with here; null where there was none, or no time to say so. */
  readonly error: string | null;
}

/** A recording, read. */
export interface Recording {
  /** Path of the file, or what else it was read from. */
  readonly source: string;
  /** The rank that recorded. */
  readonly rank: number;
  /** Ranks of its group. */
  readonly ranks: number;
  /** Process of the rank. */
  readonly processId: number;
  /** Seconds since 1970. */
  readonly startedSeconds: number;
  /** What the ranks of its run share; null where it was not said. */
  readonly run: number | null;
  /** Whether its recorder was disposed of; null of version 1, which does not say. A recording that did not end is of a process that was killed, or still runs. */
  readonly ended: boolean | null;
  /** Hash of the plan that `document` holds. */
  readonly planHash: number;
  /** Null where the rank was killed while it wrote it. */
  readonly document: RecordingDocument | null;
  /** Steps that were begun; the last of them are in `records`, oldest first. */
  readonly begun: number;
  /** The last steps that were begun, oldest first. */
  readonly records: readonly StepRecord[];
  /** Its last capture, as far as it came; null where there was none, or where the recording was written before it held captures. */
  readonly capture: RecordedCapture | null;
}

/** Reads a recording from its bytes, named `source` in errors. Errors: ERR_INPUT_INVALID. */
export function decodeRecording(bytes: Uint8Array, source: string): Recording {
  checkArguments('decodeRecording', { bytes: [bytes, 'list'], source: [source, 'text'] });
  const header = readHeader(bytes, source);
  const { word, version, rank, ranks, slots, ring, recordWords } = header;
  if (bytes.length < header.bytes) throw notOne(source, 'it is cut short');
  // A copy is aligned, wherever the bytes lay.
  const words = new Int32Array(bytes.slice(0, header.bytes).buffer);
  const begun = (word('begun') >>> 0) + (word('begunHigh') >>> 0) * 2 ** 32;
  const kept = Math.min(begun, slots);
  const records = Array.from({ length: kept }, (_, index) => begun - kept + index)
    .map((at) => readRecord(words, ring + (at % slots) * recordWords, ranks))
    .filter((record) => record !== null);
  return {
    source,
    rank,
    ranks,
    processId: word('processId'),
    startedSeconds: word('startedSeconds') >>> 0,
    run: version === 1 || word('run') === 0 ? null : word('run'),
    ended: version === 1 ? null : word('ended') === 1,
    planHash: word('planHash'),
    document: readDocument(bytes, word('documentOffset'), word('documentBytes')),
    begun,
    records,
    capture: readCapture(words, word),
  };
}

function readCapture(words: Int32Array, word: RecordingHeader['word']): RecordedCapture | null {
  const state = RECORD_STATES[word('captureState')];
  const stage = CAPTURE_STAGES[word('captureStage')];
  if (stage === undefined || (state !== 'voted' && state !== 'gathered' && state !== 'launched')) return null;
  return {
    stage,
    key: stage === 'keys' ? null : word('captureKey'),
    step: word('captureStep'),
    sequence: word('captureSequence') >>> 0,
    state,
    refused: word('captureRefused') === 1,
    error: readCode(words, H.captureError0),
  };
}

function readDocument(bytes: Uint8Array, offset: number, length: number): RecordingDocument | null {
  if (length <= 0 || offset < 0 || offset + length > bytes.length) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(offset, offset + length)));
    return isDocument(value) ? value : null;
  } catch {
    return null;
  }
}

/** Whether a value has the form of a recording's document; what its members hold is for those who use them. */
function isDocument(value: unknown): value is RecordingDocument {
  if (typeof value !== 'object' || value === null) return false;
  const { limits, policy, keys, replicaSize } = value as Partial<Record<keyof RecordingDocument, unknown>>;
  const objects = [limits, policy].every((each) => typeof each === 'object' && each !== null);
  const listed = Array.isArray(keys) && keys.every((key) => typeof key === 'object' && key !== null);
  return objects && listed && Number.isInteger(replicaSize);
}

function readRecord(words: Int32Array, at: number, ranks: number): StepRecord | null {
  const state = RECORD_STATES[words[at]];
  // The process was killed while it began this one.
  if (state === undefined || state === 'none') return null;
  const has = (least: RecordState): boolean => words[at] >= RECORD_STATES.indexOf(least);
  const own = at + RECORD_WORDS.length;
  const table = own + VOTE_WORDS.length;
  return {
    step: words[at + R.step],
    sequence: words[at + R.sequence] >>> 0,
    state,
    refused: words[at + R.refused] === 1,
    error: readCode(words, at + R.error0),
    milliseconds: words[at + R.milliseconds] >>> 0,
    row: words.slice(own, table),
    table: has('gathered') ? words.slice(table, table + ranks * VOTE_WORDS.length) : null,
    decisionHash: has('built') ? words[at + R.decisionHash] : null,
    run: has('built') ? nameIn('RUN', words[at + R.run]) : null,
    collectives: has('launched')
      ? { inGraphs: words[at + R.collectivesInGraphs] >>> 0, eager: words[at + R.collectivesEager] >>> 0 }
      : null,
  };
}

/** The code of an error that was written from this word on; null for none. */
function readCode(words: Int32Array, at: number): string | null {
  const text = new Uint8Array(words.buffer, 4 * at, ERROR_CHARACTERS);
  if (text[0] === 0) return null;
  return new TextDecoder('latin1').decode(text.subarray(0, Math.max(0, text.indexOf(0)) || text.length));
}

const H = indexOf(HEADER_WORDS);
const R = indexOf(RECORD_WORDS);
