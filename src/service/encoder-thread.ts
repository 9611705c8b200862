import { Worker } from 'node:worker_threads';
import { type ErrorDetails, LockstepError } from '../errors.js';
import { abortedError } from '../wait.js';
import { FairQueue } from './fair-queue.js';

/** Characters (UTF-16 units) above which a text is encoded on another thread: below, the way there and back costs about as much. */
export const LONG_TEXT = 4096;
/** Characters of all texts that wait or are encoded, whatever their number: 128 MiB at two bytes each. */
const MOST_CHARACTERS = 1 << 26;

/** What the thread gets at its start. */
export interface EncoderSetup {
  /** The folder with the tokenizer. */
  readonly directory: string;
  /** Ids are below it. */
  readonly vocabSize: number;
}

/** What the thread is sent. */
export interface TextToEncode {
  readonly text: string;
  /** Whether it is given the special tokens around it. */
  readonly special: boolean;
}

/** What the thread answers: ids, i32[length], or why there are none, as `LockstepError.toJSON` has it. */
export type EncodedText =
  | { readonly ids: Int32Array }
  | { readonly error: Parameters<(typeof LockstepError)['from']>[0] };

interface WaitingText extends TextToEncode {
  readonly client: string;
  settle(outcome: Int32Array | LockstepError): void;
}

/**
 * Encodes texts of a model's tokenizer on one thread, one at a time; those of different clients alternate. The thread is started for the first
 * text, and again for the next one after it was lost.
 */
export class EncoderThread {
  readonly #setup: EncoderSetup;
  readonly #mostWaiting: number;
  readonly #entry: URL;
  readonly #queue = new FairQueue<WaitingText>();
  /** The text that the thread has. */
  #current: WaitingText | null = null;
  #characters = 0;
  #worker: Worker | null = null;

  /** At most `mostWaiting` texts wait while one is encoded. `entry`: the thread's module. */
  constructor(setup: EncoderSetup, mostWaiting: number, entry: URL = new URL('./encoder-worker.js', import.meta.url)) {
    this.#setup = setup;
    this.#mostWaiting = mostWaiting;
    this.#entry = entry;
  }

  /** Texts that wait, and the one that is encoded. */
  get length(): number {
    return this.#queue.length + (this.#current === null ? 0 : 1);
  }

  /** Whether a text of so many characters may come. */
  hasRoom(characters: number): boolean {
    const { length } = this;
    return length === 0 || (length <= this.#mostWaiting && this.#characters + characters <= MOST_CHARACTERS);
  }

  /**
   * The ids of a text. Errors: `ERR_INPUT_INVALID` where a part of it has no token, `ERR_MODEL_INVALID`, `ERR_ENCODER_LOST` where the thread ends
   * meanwhile, `ERR_ABORTED`. What was aborted is not encoded, or its ids are dropped.
   */
  encode(
    text: string,
    {
      special,
      client,
      signal,
    }: { readonly special: boolean; readonly client: string; readonly signal?: AbortSignal | undefined },
  ): Promise<Int32Array> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(abortedError(signal, BEFORE));
      const onAbort = (): void => {
        // The thread's own text holds its place until the thread is done with it.
        if (this.#queue.remove(waiting)) this.#characters -= text.length;
        waiting.settle(abortedError(signal as AbortSignal, BEFORE));
      };
      let settled = false;
      const waiting: WaitingText = {
        ...{ text, special, client },
        settle: (outcome) => {
          if (settled) return;
          settled = true;
          signal?.removeEventListener('abort', onAbort);
          if (outcome instanceof LockstepError) reject(outcome);
          else resolve(outcome);
        },
      };
      this.#characters += text.length;
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#queue.add(waiting);
      this.#next();
    });
  }

  /** Ends every text with an error. */
  refuse(error: LockstepError): void {
    for (let each = this.#queue.take(); each !== undefined; each = this.#queue.take()) {
      this.#characters -= each.text.length;
      each.settle(error);
    }
    this.#current?.settle(error);
  }

  /** The same, and ends the thread. */
  async close(error: LockstepError): Promise<void> {
    this.refuse(error);
    await this.#worker?.terminate();
  }

  #next(): void {
    if (this.#current !== null) return;
    const next = this.#queue.take();
    if (next === undefined) return;
    this.#current = next;
    const { text, special } = next;
    try {
      this.#worker ??= this.#start();
      this.#worker.postMessage({ text, special } satisfies TextToEncode);
    } catch (cause) {
      // Where no thread can be made now, one may be for the next text.
      this.#end(lostError(text.length, null, cause));
    }
  }

  #start(): Worker {
    const worker = new Worker(this.#entry, { workerData: this.#setup });
    let cause: unknown;
    worker.on('message', (said: EncodedText) => this.#end('ids' in said ? said.ids : LockstepError.from(said.error)));
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => {
      this.#worker = null;
      if (this.#current !== null) this.#end(lostError(this.#current.text.length, code, cause));
    });
    return worker;
  }

  #end(outcome: Int32Array | LockstepError): void {
    const ended = this.#current;
    this.#current = null;
    if (ended !== null) {
      this.#characters -= ended.text.length;
      ended.settle(outcome);
    }
    this.#next();
  }
}

const BEFORE = 'before its prompt was encoded';

function lostError(characters: number, exitCode: number | null, cause: unknown): LockstepError {
  const why = cause instanceof Error ? cause.message : `it ended with ${exitCode}`;
  const details: ErrorDetails = { characters, exitCode };
  return new LockstepError(
    'ERR_ENCODER_LOST',
    `The thread that encoded a prompt of ${characters} characters was lost: ${why}. The next text starts another; shorten the prompt, or give token ids.`,
    details,
    { cause },
  );
}
