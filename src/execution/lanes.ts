import type { Device, DeviceEvent, DeviceStream } from '../device/index.js';
import { LockstepError } from '../errors.js';
import type { CollectiveCall, DeviceCollectives, PreparedCollective } from './collectives/index.js';
import type { ForwardPart } from './forward.js';
import type { PieceRecorder } from './piece-recorder.js';

/** Where one part of a step enqueues its work. */
export interface Lane {
  /** For kernels: the same for all parts. */
  readonly stream: DeviceStream;
  readonly collectives: DeviceCollectives;
  /**
   * Enqueues a collective after what this part has enqueued so far. What it gives is there after the next `yield`, which must come
   * before this part's next kernel or collective.
   */
  collective(call: CollectiveCall): void;
}

/**
 * One part of a forward: enqueues its work, and yields a name where it waits for a collective, so that the other parts go on
 * meanwhile. All parts yield at the same points.
 */
export type PartSteps = (part: ForwardPart, lane: Lane) => Generator<string, void, void>;

/** A point at which a part gave way: the part's place among those that ran together, and the name that it yielded. */
export interface YieldPoint {
  readonly part: number;
  readonly point: string;
}

/**
 * Runs the parts of a step side by side on two streams, one for kernels and one for collectives, in a fixed order: each part in turn
 * to its next yield. Events order a part's collective after its kernels, and its next kernels after the collective; nothing
 * orders it with those of the other parts. A single part has nothing to overlap with: all of it is on the first stream.
 * Source: vLLM's dual batch overlap, ATOM's two-batch overlap, there with a thread for each part.
 */
export class Lanes implements Disposable {
  readonly #device: Device;
  readonly #stream: DeviceStream;
  readonly #collectives: DeviceCollectives;
  /** Made for the first parts that overlap. */
  #communication: DeviceStream | null = null;
  readonly #turns: Turn[] = [];
  #recorder: PieceRecorder | null = null;
  #ran = 0;

  constructor(device: Device, stream: DeviceStream, collectives: DeviceCollectives) {
    this.#device = device;
    this.#stream = stream;
    this.#collectives = collectives;
  }

  /** Collectives that were enqueued so far, those recorded in graphs excepted. */
  get ran(): number {
    return this.#ran;
  }

  /** Runs all parts to their end. Returns where they yielded, in order. If one throws, the others are ended too. */
  run(parts: readonly ForwardPart[], steps: PartSteps): readonly YieldPoint[] {
    const schedule: YieldPoint[] = [];
    const communication = parts.length > 1 ? this.#communicationStream() : null;
    const turns = parts.map((part, index) => {
      const turn = this.#turn(index);
      turn.begin(communication, steps(part, turn));
      return turn;
    });
    try {
      for (let live = turns; live.length > 0; live = live.filter((turn) => turn.live)) {
        for (const turn of live) {
          const point = turn.advance();
          if (point !== null) schedule.push({ part: turn.index, point });
        }
      }
    } catch (error) {
      for (const turn of turns) turn.abandon();
      throw error;
    }
    return schedule;
  }

  /** Records what `work` enqueues with `recorder`, which is cut where graphs cannot hold a collective. */
  recording<T>(recorder: PieceRecorder, work: () => T): T {
    this.#recorder = recorder;
    try {
      return work();
    } finally {
      this.#recorder = null;
    }
  }

  /** Runs `enqueue` at once, recorded or not, or in every replay between two graphs. */
  between(enqueue: () => void): void {
    if (this.#recorder === null || this.#collectives.capturable) enqueue();
    else this.#recorder.cut(enqueue);
  }

  /** A collective as one thing to enqueue, noted where it is recorded and counted where it runs. */
  prepare(call: CollectiveCall): PreparedCollective {
    const prepared = this.#collectives.prepare(call);
    const inGraph = this.#collectives.capturable;
    if (this.#recorder !== null) {
      this.#recorder.note(call, inGraph);
      if (inGraph) return prepared;
    }
    return (stream) => {
      this.#ran += 1;
      prepared(stream);
    };
  }

  [Symbol.dispose](): void {
    for (const turn of this.#turns) turn[Symbol.dispose]();
    this.#communication?.dispose();
  }

  #communicationStream(): DeviceStream {
    this.#communication ??= this.#device.createStream();
    return this.#communication;
  }

  #turn(index: number): Turn {
    const turn = this.#turns[index] ?? new Turn(this, index, this.#stream, this.#collectives, this.#device);
    this.#turns[index] = turn;
    return turn;
  }
}

/** The turns that one part takes. */
class Turn implements Lane, Disposable {
  readonly index: number;
  readonly stream: DeviceStream;
  readonly collectives: DeviceCollectives;
  readonly #lanes: Lanes;
  /** The part's last kernel before a collective, and the collective. */
  readonly #computed: DeviceEvent;
  readonly #communicated: DeviceEvent;
  #communication: DeviceStream | null = null;
  #steps: Generator<string, void, void> | null = null;
  /** A collective of this part was enqueued that its kernels do not wait for yet. */
  #pending = false;

  constructor(lanes: Lanes, index: number, stream: DeviceStream, collectives: DeviceCollectives, device: Device) {
    this.#lanes = lanes;
    this.index = index;
    this.stream = stream;
    this.collectives = collectives;
    this.#computed = device.createEvent();
    this.#communicated = device.createEvent();
  }

  get live(): boolean {
    return this.#steps !== null;
  }

  begin(communication: DeviceStream | null, steps: Generator<string, void, void>): void {
    this.#communication = communication;
    this.#steps = steps;
    this.#pending = false;
  }

  /** Goes on to the next yield and returns its name; null at the end. */
  advance(): string | null {
    this.#join();
    const next = this.#steps?.next();
    if (next?.done === false) return next.value;
    this.#steps = null;
    // Every part ends on the first stream.
    this.#join();
    return null;
  }

  abandon(): void {
    this.#steps?.return();
    this.#steps = null;
  }

  collective(call: CollectiveCall): void {
    if (this.#pending) {
      throw new LockstepError(
        'ERR_STEP_ORDER',
        `Part ${this.index} enqueues an ${call.kind} before it yielded after its last collective; yield first`,
        { part: this.index, kind: call.kind },
      );
    }
    const enqueue = this.#lanes.prepare(call);
    const { stream } = this;
    const communication = this.#communication;
    this.#pending = true;
    if (communication === null) {
      this.#lanes.between(() => enqueue(stream));
      return;
    }
    this.#lanes.between(() => {
      stream.record(this.#computed);
      communication.wait(this.#computed);
      enqueue(communication);
      communication.record(this.#communicated);
    });
  }

  [Symbol.dispose](): void {
    this.#computed.dispose();
    this.#communicated.dispose();
  }

  #join(): void {
    if (!this.#pending) return;
    this.#pending = false;
    if (this.#communication !== null) this.#lanes.between(() => this.stream.wait(this.#communicated));
  }
}
