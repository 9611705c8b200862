import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/**
 * A batch for the peer to build: `queryLens` are the tokens of each request (`slots`), or the blocks of each row of a table, which
 * is written whole (`table`) or to which one row in `blockSize` appends a block (`append`).
 */
export interface PeerCase {
  readonly name: string;
  readonly kind: 'slots' | 'table' | 'append';
  readonly queryLens: readonly number[];
  readonly blockSize: number;
  readonly maxBlocks: number;
}

/** Interpreters that are asked for numpy, in this order. */
const INTERPRETERS = ['python3', '/usr/bin/python3'];

/** numpy building the same metadata as vLLM V1 does, in a process of its own. */
export class NumpyPeer implements AsyncDisposable {
  readonly interpreter: string;
  readonly #child: ChildProcess;
  readonly #answers: ((ns: number | Error) => void)[] = [];

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
      this.#answers.shift()?.((JSON.parse(line) as { ns: number }).ns);
    });
    const ended = (): void => {
      for (const answer of this.#answers.splice(0)) answer(new Error(`${interpreter} ended`));
    };
    this.#child.on('error', ended);
    this.#child.on('exit', ended);
    this.#child.stdin?.on('error', ended);
  }

  /** Mean nanoseconds of one step of `given`, over about `milliseconds`. */
  async measure(given: PeerCase, milliseconds: number): Promise<number> {
    const answer = new Promise<number>((resolve, reject) => {
      this.#answers.push((ns) => (ns instanceof Error ? reject(ns) : resolve(ns)));
    });
    this.#child.stdin?.write(`${JSON.stringify({ ...given, milliseconds })}\n`);
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
