import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { compile } from './test-kernels.js';

/** An argument of a launch: a buffer from a byte offset on, or a scalar. */
export type LaunchValue = { readonly buffer: number; readonly offset: number } | { readonly scalar: bigint };

/** A launch of a kernel on buffers of its own. */
export interface KernelLaunch {
  readonly kernel: string;
  readonly buffers: readonly Uint8Array[];
  readonly values: readonly LaunchValue[];
}

/** Blocks and threads of a launch, in an order that the seed chooses; null: the host's one thread. */
export type ThreadGrid = { readonly grid: number; readonly block: number; readonly seed: bigint } | null;

/** What a launch left behind. */
export interface KernelResult {
  /** Refused at the launch. */
  readonly refused: boolean;
  /** The words of the refusal or of the report; empty where all went well. */
  readonly words: string;
  /** Work items of the launch. */
  readonly items: bigint;
  readonly buffers: readonly Uint8Array[];
}

const native = fileURLToPath(new URL('../../native', import.meta.url));

/** The kernels as g++ compiles them, under its sanitizers; `remove()` deletes the program. */
export class KernelProgram {
  readonly #folder: string;
  readonly #program: string;

  constructor() {
    this.#folder = mkdtempSync(path.join(tmpdir(), 'lockstep-kernel-program-'));
    this.#program = path.join(this.#folder, 'runner');
    const names = readdirSync(path.join(native, 'kernels')).filter(
      (name) => /\.cc$/.test(name) && name !== 'images.cc',
    );
    const sources = names.map((name) => path.join(native, 'kernels', name));
    const runner = fileURLToPath(new URL('../fixtures/kernels/runner.cc', import.meta.url));
    const flags = [
      '-std=c++17',
      '-O1',
      '-ffp-contract=off',
      '-g',
      '-fsanitize=address,undefined',
      '-fno-sanitize-recover=all',
      `-I${native}`,
    ];
    compile([...flags, runner, ...sources, '-o', this.#program]);
  }

  /** The kinds of each kernel's arguments, a letter each: a buffer (b), an i32 (i), an i64 (l). */
  list(): Map<string, string> {
    const lines = execFileSync(this.#program, ['list'], { encoding: 'utf8' }).trim().split('\n');
    return new Map(lines.map((line) => line.split(' ') as [string, string]));
  }

  /** The instruction sets that the kernels are compiled for and this processor has: values of `LOCKSTEP_CPU`. */
  cpus(): string[] {
    return execFileSync(this.#program, ['cpu'], { encoding: 'utf8' }).trim().split('\n');
  }

  /** What each report of 32 bytes says: the kernel that it names, and its words; two empty texts where all went well. */
  words(reports: readonly Uint8Array[]): (readonly [kernel: string, words: string])[] {
    const lines = execFileSync(this.#program, ['words'], { input: Buffer.concat(reports), encoding: 'utf8' }).split(
      '\n',
    );
    return reports.map((bytes, index) => {
      const [kernel = '', words = ''] = /^(\w+): (.*)$/.exec(lines[index] ?? '')?.slice(1) ?? [];
      return bytes.every((byte) => byte === 0) ? ['', ''] : [kernel, words];
    });
  }

  /** Runs launches one after the other, each on fresh copies of its buffers, with these variables beside those of this process. */
  run(launches: readonly (readonly [KernelLaunch, ThreadGrid])[], variables: NodeJS.ProcessEnv = {}): KernelResult[] {
    const input = Buffer.concat(launches.flatMap(([launch, grid]) => encode(launch, grid)));
    const output = execFileSync(this.#program, {
      input,
      maxBuffer: 1 << 30,
      env: { ...process.env, ...variables },
    });
    let at = 0;
    const take = (bytes: number): Buffer => {
      at += bytes;
      return output.subarray(at - bytes, at);
    };
    const results = launches.map(([{ buffers }]): KernelResult => {
      const refused = take(4).readInt32LE() !== 0;
      const words = take(take(4).readUInt32LE()).toString();
      const items = take(8).readBigInt64LE();
      return { refused, words, items, buffers: buffers.map(({ length }) => new Uint8Array(take(length))) };
    });
    if (at !== output.length) throw new Error(`the program wrote ${output.length} bytes, ${at} were expected`);
    return results;
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

function encode({ kernel, buffers, values }: KernelLaunch, grid: ThreadGrid): Uint8Array[] {
  return [
    u32(kernel.length),
    Buffer.from(kernel),
    u32(grid?.grid ?? 0),
    u32(grid?.block ?? 0),
    i64(grid?.seed ?? 0n),
    u32(buffers.length),
    ...buffers.flatMap((bytes) => [u32(bytes.length), bytes]),
    ...values.flatMap((value) =>
      'scalar' in value ? [i32(-1), i64(value.scalar)] : [i32(value.buffer), i64(BigInt(value.offset))],
    ),
  ];
}

const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
const i32 = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
const i64 = (value: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(value).buffer);
