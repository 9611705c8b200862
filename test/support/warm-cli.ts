import { execFileSync, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';

const program = path.resolve(import.meta.dirname, '../fixtures/cli/warm.mjs');

/**
 * A process that keeps the command line loaded, for the many short commands of a test file. It ends with the process that made it,
 * by the end of a FIFO. Where a command ends it, so that it answers nothing, it is of no more use.
 */
export class WarmCli {
  readonly #env = { ...process.env };
  readonly #to: number;
  readonly #from: number;

  constructor(cwd: string) {
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

  /** What a command says; undefined where it ended the process. */
  run(args: readonly string[]): { status: number; stdout: string; stderr: string } | undefined {
    const line = Buffer.from(`${JSON.stringify(args)}\n`);
    for (let written = 0; written < line.length; ) written += writeSync(this.#to, line, written);
    let digits = '';
    for (let one = this.#read(1); ; one = this.#read(1)) {
      if (one === undefined) return undefined;
      if (one.toString() === '\n') break;
      digits += one.toString();
    }
    const answer = this.#read(Number(digits));
    return answer === undefined ? undefined : JSON.parse(answer.toString('utf8'));
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
