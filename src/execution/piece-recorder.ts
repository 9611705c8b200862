import type { DeviceGraph, DevicePool, DeviceRecording, DeviceStream } from '../device/index.js';
import { type BetweenGraphs, CapturedPiece, type PieceCollective } from './captured-piece.js';
import type { CollectiveCall } from './collectives/index.js';

/** Called with each recording, before its graph takes memory. */
export type OnRecorded = (recording: DeviceRecording) => void;

/** Captures one piece on a stream, in one graph or, where it is cut, in several. */
export class PieceRecorder {
  readonly #stream: DeviceStream;
  readonly #pool: DevicePool;
  readonly #recorded: OnRecorded;
  readonly #steps: (DeviceGraph | BetweenGraphs)[] = [];
  readonly #collectives: PieceCollective[] = [];

  constructor(stream: DeviceStream, pool: DevicePool, recorded: OnRecorded) {
    this.#stream = stream;
    this.#pool = pool;
    this.#recorded = recorded;
  }

  /** Captures what `work` enqueues. */
  record(work: () => void): CapturedPiece {
    try {
      this.#stream.beginCapture(this.#pool);
      work();
      this.#endGraph(this.#steps.length === 0);
      return new CapturedPiece(this.#steps, this.#collectives);
    } catch (error) {
      // The forward may have lost the capture already, by disposing of a stream.
      if (this.#stream.capturing) this.#stream.abandonCapture();
      for (const step of this.#steps) if (typeof step !== 'function') step.dispose();
      throw error;
    }
  }

  /** Ends the graph, to begin another after `between`. */
  cut(between: BetweenGraphs): void {
    this.#endGraph(false);
    this.#steps.push(between);
    this.#stream.beginCapture(this.#pool);
  }

  /** Notes a collective of the piece. */
  note({ kind, counts }: CollectiveCall, inGraph: boolean): void {
    this.#collectives.push({ call: { kind, counts }, inGraph });
  }

  /** A graph of nothing is kept only where a piece holds nothing else. */
  #endGraph(keepEmpty: boolean): void {
    using recording = this.#stream.endCapture();
    this.#recorded(recording);
    if (recording.nodes > 0 || keepEmpty) this.#steps.push(recording.instantiate());
  }
}
