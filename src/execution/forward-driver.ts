import type { DecisionView } from '../agreement/index.js';
import type { ForwardBatch } from '../batch/index.js';
import type { DevicePool, DeviceStream } from '../device/index.js';
import { LockstepError, shown } from '../errors.js';
import type { CaptureKey } from '../keys/index.js';
import { type DevicePort, devicePort, type StepPlanner } from '../planner/index.js';
import type { CaptureLack } from '../ranks/index.js';
import type { CapturedPiece } from './captured-piece.js';
import type { DeviceMetadata } from './device-metadata.js';
import type { Forward, ForwardPart, PiecewiseForward } from './forward.js';
import { ForwardParts } from './forward-parts.js';
import { KeyGraphs, type PieceGraphs } from './key-graphs.js';
import type { Lanes } from './lanes.js';
import { type OnRecorded, PieceRecorder } from './piece-recorder.js';

/** Enqueues a model's forward on one stream: eager, to be captured, or as replays of what was captured. */
export class ForwardDriver {
  readonly #forward: Forward;
  readonly #stream: DeviceStream;
  readonly #port: DevicePort;
  readonly #pool: DevicePool;
  readonly #lanes: Lanes;
  readonly #parts: ForwardParts;

  /** `pool` is where the forward's graphs take scratch memory. Errors: ERR_INPUT_INVALID for a piecewise form without pieces. */
  constructor(
    forward: Forward,
    stream: DeviceStream,
    planner: StepPlanner,
    metadata: DeviceMetadata,
    pool: DevicePool,
    lanes: Lanes,
  ) {
    const pieces = forward.piecewise?.pieces ?? 1;
    if (!Number.isInteger(pieces) || pieces < 1) {
      throw new LockstepError('ERR_INPUT_INVALID', `A forward has ${shown(pieces)} pieces; it needs at least 1`, {
        pieces,
      });
    }
    this.#forward = forward;
    this.#stream = stream;
    this.#port = devicePort(planner);
    this.#pool = pool;
    this.#lanes = lanes;
    this.#parts = new ForwardParts(planner, metadata);
  }

  /** What the forward lacks for capturing `key`. */
  lack(key: CaptureKey): CaptureLack {
    return key.mode === 'piecewise' && this.#forward.piecewise === undefined ? 'pieces' : 'nothing';
  }

  /** Lets the forward write the tensors that the device supplies. Returns whether it does so here. */
  supply(local: ForwardBatch): boolean {
    this.#forward.supply?.(local);
    return this.#forward.supply !== undefined;
  }

  /** Whether something is enqueued between a step's uploads and its graph. */
  get fills(): boolean {
    return this.#forward.fill !== undefined;
  }

  /** Enqueues it. */
  fill(decision: DecisionView, local: ForwardBatch): void {
    this.#forward.fill?.(this.#stream, local, this.#parts.ofStep(local, decision.parts));
  }

  /** The forward of `key`, not captured, on the current device metadata. */
  runKey(key: CaptureKey): void {
    this.#pool.reset();
    if (key.mode === 'full') {
      this.#runFull(key);
      return;
    }
    const piecewise = this.#piecewise();
    const { whole, parts } = this.#parts.ofPieces(key);
    // The attention of an idle rank's dummy has one request, as an eager dummy has.
    for (const part of [whole, ...parts]) {
      for (let index = 0; index < piecewise.pieces; index++) {
        piecewise.piece(this.#stream, index, part);
        if (index + 1 < piecewise.pieces) piecewise.attention(this.#stream, index, { ...part, requests: 1 });
      }
    }
  }

  /**
   * Captures `key`'s forward. `recorded` runs between the recording of a graph and its instantiation, which takes its memory:
   * it may free the memory reserved for it.
   */
  capture(key: CaptureKey, recorded: OnRecorded): KeyGraphs {
    this.#pool.reset();
    if (key.mode === 'full') return new KeyGraphs([this.#record(() => this.#runFull(key), recorded)]);
    const piecewise = this.#piecewise();
    const made: CapturedPiece[] = [];
    // A key with fewer tokens than parts leaves a part without tokens, and so without a graph.
    const record = (part: ForwardPart): PieceGraphs =>
      Array.from({ length: part.tokens > 0 ? piecewise.pieces : 0 }, (_, index) => {
        const captured = this.#record(() => piecewise.piece(this.#stream, index, part), recorded);
        made.push(captured);
        return captured;
      });
    try {
      const { whole, parts } = this.#parts.ofPieces(key);
      return new KeyGraphs(record(whole), parts.map(record));
    } catch (error) {
      for (const piece of made) piece[Symbol.dispose]();
      throw error;
    }
  }

  /** The kernels of a step that runs eager. */
  runStep(decision: DecisionView, local: ForwardBatch): void {
    this.#pool.reset();
    this.#run(this.#parts.ofStep(local, decision.parts), decision.overlap);
  }

  /** Enqueues what is left of a step on a full key: nothing after its first graph (`launched`), unless the key is cut. */
  replayFull(graphs: KeyGraphs, launched: boolean): void {
    const piece = graphs.whole[0];
    if (piece.steps.length > 1 || !launched) this.#replay(piece, launched);
  }

  /** Enqueues what is left of a step on a piecewise key, after its first graph where that is `begun`: attention and pieces alternately. */
  replayPieces(graphs: KeyGraphs, decision: DecisionView, local: ForwardBatch, begun: boolean): void {
    const piecewise = this.#piecewise();
    const parts = this.#parts.ofStep(local, decision.parts);
    const { views } = graphs.replay(local.partCount);
    let launched = begun;
    for (const [view, pieces] of views.entries()) {
      for (const [index, piece] of pieces.entries()) {
        this.#replay(piece, launched);
        launched = false;
        if (index + 1 < pieces.length) piecewise.attention(this.#stream, index, parts[view]);
      }
    }
  }

  #replay({ steps }: CapturedPiece, launched: boolean): void {
    for (let index = launched ? 1 : 0; index < steps.length; index++) {
      const step = steps[index];
      if (typeof step === 'function') step();
      else this.#stream.launchGraph(step);
    }
  }

  #runFull(key: CaptureKey): void {
    this.#run(this.#parts.ofKey(key), this.#port.partsOverlap(key.parts));
  }

  #run(parts: readonly ForwardPart[], overlap: boolean): void {
    if (overlap && this.#forward.overlap !== undefined) this.#forward.overlap(this.#stream, parts);
    else for (const part of parts) this.#forward.part(this.#stream, part);
  }

  #piecewise(): PiecewiseForward {
    const { piecewise } = this.#forward;
    if (piecewise !== undefined) return piecewise;
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      'This forward has no piecewise form; give it one, or leave piecewise keys out of the plan',
    );
  }

  #record(work: () => void, recorded: OnRecorded): CapturedPiece {
    const recorder = new PieceRecorder(this.#stream, this.#pool, recorded);
    return this.#lanes.recording(recorder, () => recorder.record(work));
  }
}
