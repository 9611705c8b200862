import { setTimeout } from 'node:timers/promises';
import { LockstepError } from '../errors.js';
import { SYSTEM_TIMING } from '../timing.js';
import { Deadline } from '../wait.js';

const STEP = 0;
const COUNT = 1;
const BYTES = 64;

/** What the processes of a replica share: with which messages a step begins. */
export function messageOrderMemory(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(BYTES);
  new Int32Array(memory)[STEP] = -1;
  return memory;
}

/** With which messages a process begins each of its steps. */
export interface StepMessages<T> {
  /** Messages that were taken so far. */
  readonly taken: number;
  /** Whether a step is to be taken for messages that have come. */
  readonly waiting: boolean;
  /** The messages that come into effect with a step. Steps are asked for in order. */
  take(step: number): Promise<T[]>;
}

/**
 * Messages of one process, in order, and how many of them are in effect in each step. The processes of a replica must begin a
 * step with the same requests: the first one takes what it has and says how many that were, the others wait for as many. It says so of
 * one step at a time: the next begins only when all have voted in this one.
 */
export class MessageOrder<T> implements StepMessages<T> {
  readonly #words: Int32Array;
  readonly #first: boolean;
  readonly #timeoutMs: number;
  #inbox: T[] = [];
  #taken = 0;

  constructor(memory: SharedArrayBuffer, first: boolean, timeoutMs: number) {
    this.#words = new Int32Array(memory);
    this.#first = first;
    this.#timeoutMs = timeoutMs;
  }

  get taken(): number {
    return this.#taken;
  }

  get waiting(): boolean {
    return this.#inbox.length > 0;
  }

  add(message: T): void {
    this.#inbox.push(message);
  }

  async take(step: number): Promise<T[]> {
    if (!this.#first) return await this.#follow(step);
    const messages = this.#inbox;
    this.#inbox = [];
    this.#taken += messages.length;
    Atomics.store(this.#words, COUNT, this.#taken);
    Atomics.store(this.#words, STEP, step);
    SYSTEM_TIMING.notify(this.#words, STEP);
    return messages;
  }

  async #follow(step: number): Promise<T[]> {
    const deadline = new Deadline().start(this.#timeoutMs);
    using sleeper = SYSTEM_TIMING.sleeper(this.#words, STEP, undefined);
    for (;;) {
      const said = Atomics.load(this.#words, STEP);
      if (said === step) break;
      await sleeper.sleep(said, this.#slice(deadline, step));
    }
    const count = Atomics.load(this.#words, COUNT) - this.#taken;
    while (this.#inbox.length < count) {
      this.#slice(deadline, step);
      await setTimeout(0);
    }
    this.#taken += count;
    return this.#inbox.splice(0, count);
  }

  /** Milliseconds until the next look. Errors: ERR_COLLECTIVE_TIMEOUT. */
  #slice(deadline: Deadline, step: number): number {
    const ms = deadline.slice();
    if (ms > 0) return ms;
    throw new LockstepError(
      'ERR_COLLECTIVE_TIMEOUT',
      `The first process of this replica has not begun step ${step} in ${this.#timeoutMs} ms.`,
      { step, timeoutMs: this.#timeoutMs },
    );
  }
}
