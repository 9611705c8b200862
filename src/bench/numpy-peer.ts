import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { EventStream, ReplaceStream } from './event-stream.js';

/**
 * A batch for the peer to build. `queryLens` are the tokens of each request (`slots`), or the blocks of each row of a table, which
 * is written whole (`table`) or by appending a block to one row in `blockSize` (`append`).
 */
interface KernelBatch {
  readonly kind: 'slots' | 'table' | 'append';
  readonly queryLens: readonly number[];
  readonly blockSize: number;
  readonly maxBlocks: number;
}

/** Events for the peer to follow: those of whole steps (`stream`), or one request after another replaced (`replace`). */
type StreamBatch =
  | { readonly kind: 'stream'; readonly stream: EventStream }
  | { readonly kind: 'replace'; readonly stream: ReplaceStream };

export type PeerBatch = KernelBatch | StreamBatch;

/** A row that the peer's batch holds after a step: its request, the slots of its tokens, and its blocks. */
export type PeerRow = readonly [request: number, slots: readonly number[], blocks: readonly number[]];

interface Answer {
  readonly ns: number;
  readonly states: readonly (readonly PeerRow[])[];
}

/** Interpreters that are tried for numpy, in this order. */
const INTERPRETERS = ['python3', '/usr/bin/python3'];

/** numpy building the same metadata as vLLM V1 does, in a process of its own. */
export class NumpyPeer implements AsyncDisposable {
  readonly interpreter: string;
  readonly #child: ChildProcess;
  readonly #answers: ((answer: Answer | Error) => void)[] = [];
  /** Rows that the peer can measure. */
  readonly #known = new Set<string>();

  /** The first interpreter that has numpy, or null where none has. */
  static open(): NumpyPeer | null {
    const found = INTERPRETERS.find(
      (python) => spawnSync(python, ['-c', 'import numpy'], { stdio: 'ignore', timeout: 60_000 }).status === 0,
    );
    return found === undefined ? null : new NumpyPeer(found);
  }

  private constructor(interpreter: string) {
    this.interpreter = interpreter;
    const script = fileURLToPath(new URL('./numpy-peer.py', import.meta.url));
    this.#child = spawn(interpreter, [script], { stdio: ['pipe', 'pipe', 'ignore'] });
    const { stdout } = this.#child;
    if (stdout === null) throw new RangeError('the peer has no standard output');
    createInterface({ input: stdout }).on('line', (line) => {
      this.#answers.shift()?.(JSON.parse(line) as Answer);
    });
    const ended = (): void => {
      for (const answer of this.#answers.splice(0)) answer(new Error(`${interpreter} ended`));
    };
    this.#child.on('error', ended);
    this.#child.on('exit', ended);
    this.#child.stdin?.on('error', ended);
  }

  /** Mean nanoseconds of one step of a row's batch, over about `milliseconds`. */
  async measure(name: string, batch: PeerBatch, milliseconds: number): Promise<number> {
    const isKnown = this.#known.has(name);
    this.#known.add(name);
    return (await this.#ask({ name, milliseconds, ...(!isKnown && { batch }) })).ns;
  }

  /** What the peer's batch holds after each of the first `steps` steps. */
  async states(name: string, batch: PeerBatch, steps: number): Promise<Answer['states']> {
    return (await this.#ask({ name, batch, check: steps })).states;
  }

  #ask(question: object): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#answers.push((given) => (given instanceof Error ? reject(given) : resolve(given)));
    });
    const plain = (_: string, value: unknown): unknown => (value instanceof Int32Array ? [...value] : value);
    this.#child.stdin?.write(`${JSON.stringify(question, plain)}\n`);
    return answer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin?.end();
    this.#child.kill();
    await gone;
  }
}
