import { join } from 'node:path';
import { LockstepError, shown } from '../errors.js';
import { DECISION_WORDS, ENUMS, indexOf, LAYOUT_VERSION, VOTE_WORDS } from '../layout/index.js';
import { loadNative } from '../native/index.js';
import { StepPlanner } from '../planner/index.js';
import { recordingDocument } from './recording-document.js';
import {
  CAPTURE_STAGES,
  type CaptureStage,
  DEFAULT_RECORDED_STEPS,
  ERROR_CHARACTERS,
  HEADER_ROOM,
  HEADER_WORDS,
  MAGIC,
  MAX_STEPS,
  RECORD_STATES,
  RECORD_WORDS,
  RECORDING_VERSION,
} from './recording-layout.js';
import { memoryOf } from './recording-memory.js';

/** Options of `openRecorder`. */
export interface RecorderOptions {
  /** The rank whose steps are recorded. */
  readonly planner: StepPlanner;
  /**
   * File of the recording, made anew; it is the recorder's memory, so that it can be read after the process was killed. Null: in memory
   * alone, for `recorder.bytes()`.
   */
  readonly path: string | null;
  /** A number that the ranks of one run share and other runs do not have, an int32: `replay` refuses recordings of several. Default 0: not said. */
  readonly run?: number;
  /** Steps that are kept, the last ones: 1 to 1,048,576. Default 1024. */
  readonly steps?: number;
}

/** The recording of a rank in the folder of a run. */
export function recordingFile(folder: string, rank: number): string {
  return join(folder, `rank-${rank}.rec`);
}

/** Steps between two looks at the clock, less one: a look takes as long as the rest of a record. */
const CLOCK_EVERY = 15;

/**
 * Opens a recorder for `createRank({ recorder })`. Without the addon there is no file: `recorder.reason` says why.
 * Errors: ERR_CONFIG_INVALID (steps), ERR_INPUT_INVALID (a file that cannot be made, or that another run writes).
 */
export function openRecorder(options: RecorderOptions): StepRecorder {
  const { planner, path, run = 0, steps = DEFAULT_RECORDED_STEPS } = (options ?? {}) as RecorderOptions;
  if (!(planner instanceof StepPlanner) || (path !== null && typeof path !== 'string')) {
    throw new LockstepError(
      'ERR_CONFIG_INVALID',
      `A recorder takes { planner, path }: a planner, and the path of a file or null, not ${shown(path)}`,
      {},
    );
  }
  if (!Number.isInteger(steps) || steps < 1 || steps > MAX_STEPS) {
    throw new LockstepError('ERR_CONFIG_INVALID', `A recorder keeps 1 to ${MAX_STEPS} steps, not ${shown(steps)}`, {
      steps,
    });
  }
  if (!Number.isInteger(run) || run !== (run | 0)) {
    throw new LockstepError('ERR_CONFIG_INVALID', `The number of a run is an int32, not ${shown(run)}`, { run });
  }
  return new StepRecorder(planner, path, steps, run);
}

/**
 * Flight recorder of one rank: its last votes, the tables it gathered, what it decided and which collectives it had entered. A record is
 * a few stores into memory, in an order that calls between them keep; nothing waits and nothing is allocated. Source: the flight recorder of PyTorch's NCCL watchdog, for votes.
 */
export class StepRecorder implements Disposable {
  /** Whether what is recorded outlives this process. */
  readonly persistent: boolean;
  /** Why nothing outlives this process; null where it does. */
  readonly reason: string | null;
  /** The planner of the rank that is recorded. */
  readonly planner: StepPlanner;
  readonly #decision: Int32Array;
  #words: Int32Array<ArrayBuffer>;
  #released = false;
  readonly #documentAt: number;
  readonly #documentRoom: number;
  readonly #ring: number;
  /** The word after the ring. */
  readonly #end: number;
  readonly #recordWords: number;
  readonly #startedAt = performance.now();
  /** First word of the record in hand; 0 before the first. */
  #at = 0;
  /** First word of the record that is written next. */
  #next: number;
  #planHash = 0;
  /** Steps that were begun, and milliseconds: int32 that wrap. */
  #begun: number;
  #milliseconds = 0;

  /** Made by `openRecorder`. `begun`: steps of which no record is kept, so that a test sees the count wrap. */
  constructor(planner: StepPlanner, path: string | null, slots: number, run: number, begun: number = 0) {
    this.planner = planner;
    this.#decision = planner.decision.words;
    this.#recordWords = RECORD_WORDS.length + (1 + planner.ranks) * VOTE_WORDS.length;
    // Fewer keys make a shorter document: it has room for every plan that `keepKeys` may leave.
    this.#documentAt = aligned(HEADER_ROOM * 4);
    this.#documentRoom = aligned(recordingDocument(planner).length);
    this.#ring = (this.#documentAt + this.#documentRoom) / 4;
    this.#end = this.#ring + slots * this.#recordWords;
    this.#next = this.#ring + (begun % slots) * this.#recordWords;
    this.#begun = begun | 0;
    const { memory, reason } = memoryOf(path, 4 * this.#end);
    this.reason = reason;
    this.persistent = reason === null;
    this.#words = new Int32Array(memory);
    const header: Partial<Record<(typeof HEADER_WORDS)[number], number>> = {
      version: RECORDING_VERSION,
      layoutVersion: LAYOUT_VERSION,
      rank: planner.rank,
      ranks: planner.ranks,
      voteWords: VOTE_WORDS.length,
      documentOffset: this.#documentAt,
      documentRoom: this.#documentRoom,
      ringOffset: 4 * this.#ring,
      slots,
      recordWords: this.#recordWords,
      begun,
      begunHigh: begun / 2 ** 32,
      processId: process.pid,
      startedSeconds: Math.floor(Date.now() / 1000),
      run,
    };
    for (const [name, value] of Object.entries(header)) this.#words[H[name as keyof typeof H]] = value;
    this.#describe();
    this.#words[H.magic] = MAGIC;
  }

  /** A copy of the recording as it is, as its file holds it. */
  bytes(): Uint8Array {
    return new Uint8Array(this.#words.buffer).slice();
  }

  /**
   * Ends the recording, and lets its file go to another recorder: a file without this mark is of a process that was killed, or still runs. What this one
   * still records is in its own memory.
   */
  [Symbol.dispose](): void {
    if (this.#released) return;
    this.#released = true;
    this.#words[H.ended] = 1;
    if (!this.persistent) return;
    const kept = this.#words.slice();
    loadNative().unlockFile(this.#words.buffer);
    this.#words = kept;
  }

  /** This rank enters all-gather `sequence` with its vote. */
  voted(sequence: number): void {
    const { step, planHash, row } = this.planner;
    if (planHash !== this.#planHash) this.#describe();
    const words = this.#words;
    const at = this.#next;
    const next = at + this.#recordWords;
    this.#next = next === this.#end ? this.#ring : next;
    this.#at = at;
    words[at] = 0;
    words[at + R.step] = step;
    words[at + R.sequence] = sequence;
    words[at + R.decisionHash] = 0;
    words[at + R.refused] = 0;
    words[at + R.error0] = 0;
    if ((this.#begun & CLOCK_EVERY) === 0) this.#milliseconds = (performance.now() - this.#startedAt) | 0;
    words[at + R.milliseconds] = this.#milliseconds;
    words.set(row, at + OWN_ROW);
    words[at] = VOTED;
    const begun = (this.#begun + 1) | 0;
    this.#begun = begun;
    if (begun === 0) words[H.begunHigh]++;
    words[H.begun] = begun;
  }

  /** It has the table of all ranks. */
  gathered(): void {
    const words = this.#words;
    words.set(this.planner.table, this.#at + TABLE);
    words[this.#at] = GATHERED;
  }

  /** It built the planner's decision. */
  built(): void {
    const words = this.#words;
    const at = this.#at;
    words[at + R.decisionHash] = this.planner.decisionHash;
    words[at + R.run] = this.#decision[D.run];
    words[at + R.captureKey] = this.#decision[D.captureKey];
    words[at] = BUILT;
  }

  /** The step is launched, or parked; so many device collectives were entered by then, in graphs and eagerly. */
  launched(collectives: { readonly inGraphs: number; readonly eager: number }): void {
    const words = this.#words;
    words[this.#at + R.collectivesInGraphs] = collectives.inGraphs;
    words[this.#at + R.collectivesEager] = collectives.eager;
    words[this.#at] = LAUNCHED;
  }

  /**
   * The step ended here with this error; how far it came stays as it is. `entered`: the all-gather that the rank entered last. An error
   * of a wait in a park is one of the step that parked, unless the park goes on: a wait that its caller ends is begun again.
   */
  failed(code: string, entered: number): void {
    const words = this.#words;
    const at = this.#at;
    // The first error of a step is the one that counts; before a vote, the record in hand is that of an earlier step.
    if (at === 0 || words[at + R.error0] !== 0) return;
    if (words[at] === LAUNCHED && (words[at + R.run] !== PARK || code === 'ERR_ABORTED')) return;
    words[at + R.refused] = ((entered - words[at + R.sequence]) | 0) < 0 ? 1 : 0;
    this.#write(code, at + R.error0);
  }

  /** This rank enters all-gather `sequence` of a capture, to agree on `stage` of a key; on `keys`, of none. */
  agrees(stage: CaptureStage, key: number, sequence: number): void {
    const words = this.#words;
    words[H.captureState] = 0;
    words[H.captureStage] = CAPTURE_STAGES.indexOf(stage);
    words[H.captureKey] = key;
    words[H.captureStep] = this.planner.step;
    words[H.captureSequence] = sequence;
    words[H.captureRefused] = 0;
    words[H.captureError0] = 0;
    words[H.captureState] = VOTED;
  }

  /** The ranks agreed, and this one goes on with the capture. */
  agreed(): void {
    this.#words[H.captureState] = GATHERED;
  }

  /** The capture is done. */
  captured(): void {
    this.#words[H.captureState] = LAUNCHED;
  }

  /** The capture ended here with this error. `entered`: the all-gather that the rank entered last: an agreement on keys may take several. */
  captureFailed(code: string, entered: number): void {
    const words = this.#words;
    const ahead = (entered - words[H.captureSequence]) | 0;
    if (ahead > 0) words[H.captureSequence] = entered;
    words[H.captureRefused] = ahead < 0 ? 1 : 0;
    this.#write(code, H.captureError0);
  }

  /** Writes the code of an error from this word on. */
  #write(code: string, at: number): void {
    const bytes = new Uint8Array(this.#words.buffer, 4 * at, ERROR_CHARACTERS).fill(0);
    for (let index = 0; index < Math.min(code.length, bytes.length); index++) bytes[index] = code.charCodeAt(index);
  }

  /** Writes how steps are decided from now on. Records of another plan carry its hash in their votes. */
  #describe(): void {
    const document = recordingDocument(this.planner);
    const bytes = new Uint8Array(this.#words.buffer, this.#documentAt, this.#documentRoom);
    this.#words[H.documentBytes] = 0;
    bytes.set(document);
    this.#planHash = this.planner.planHash;
    this.#words[H.planHash] = this.#planHash;
    this.#words[H.documentBytes] = document.length;
  }
}

function aligned(bytes: number): number {
  return Math.ceil(bytes / 64) * 64;
}

const H = indexOf(HEADER_WORDS);
const R = indexOf(RECORD_WORDS);
const D = indexOf(DECISION_WORDS);
const OWN_ROW = RECORD_WORDS.length;
const TABLE = OWN_ROW + VOTE_WORDS.length;
const PARK: number = ENUMS.RUN.park;
const [, VOTED, GATHERED, BUILT, LAUNCHED] = RECORD_STATES.keys();
