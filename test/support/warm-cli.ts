import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';

/** What runs the commands. */
export const PROGRAM: string = path.resolve(import.meta.dirname, '../fixtures/cli/warm.mjs');

/**
 * A process that keeps the command line loaded, for the many short commands of a test file. It ends with the process that made it,
 * by the end of a FIFO. Where a command ends it, it is of no more use.
 */
export class WarmCli {
  readonly #env = { ...process.env };
  readonly #to: number;
  readonly #from: number;

  constructor(cwd: string, program: string = PROGRAM) {
    const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-warm-'));
    const fifos = ['requests', 'results'].map((name) => path.join(folder, name)) as [string, string];
    execFileSync('mkfifo', fifos);
    const child = spawn(process.execPath, [program, ...fifos], { cwd, stdio: ['pipe', 'ignore', 'ignore'] });
    child.stdin.end();
    child.unref();
    this.#to = openSync(fifos[0], 'w');
    this.#from = openSync(fifos[1], 'r');
    rmSync(folder, { recursive: true });
  }

  /** Whether a process that starts now would have the same environment. */
  get isCurrent(): boolean {
    return isDeepStrictEqual(this.#env, { ...process.env });
  }

  /** What a command says; undefined where it ended the process by itself. Throws where it crashed it. */
  run(args: readonly string[]): { status: number; stdout: string; stderr: string } | undefined {
    const line = Buffer.from(`${JSON.stringify(args)}\n`);
    for (let written = 0; written < line.length; ) written += writeSync(this.#to, line, written);
    let digits = '';
    for (let one = this.#read(1); ; one = this.#read(1)) {
      if (one === undefined) throw new Error(`${args.join(' ')}: its process ended without a word, as by a signal`);
      if (one.toString() === '\n') break;
      digits += one.toString();
    }
    const answer = JSON.parse(this.#read(Number(digits))?.toString('utf8') ?? '{"crash":"its answer is cut"}');
    if (answer.crash !== undefined) throw new Error(`${args.join(' ')}: ${answer.crash}`);
    return answer.ended === true ? undefined : answer;
  }

  close(): void {
    closeSync(this.#to);
    closeSync(this.#from);
  }

  #read(length: number): Buffer | undefined {
    const bytes = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const read = readSync(this.#from, bytes, at, length - at, null);
      if (read === 0) return undefined;
      at += read;
    }
    return bytes;
  }
}
