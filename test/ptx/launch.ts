import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { KernelLaunch } from '../support/kernel-program.js';
import { GlobalMemory } from './memory.js';
import { type PtxModule, parsePtx } from './parse.js';
import { Kernel, type Launch } from './run.js';

const root = path.resolve(import.meta.dirname, '../..');

/** PTX of native/kernels/built. */
export function builtPtx(file: string): PtxModule {
  return parsePtx(readFileSync(path.join(root, 'native/kernels/built', file), 'utf8'));
}

/** The kernel lockstep_<name> of a module. */
export function kernelOf({ entries }: PtxModule, name: string): Kernel {
  const entry = entries.get(`lockstep_${name}`);
  if (entry === undefined) throw new RangeError(`the PTX has no lockstep_${name}`);
  return new Kernel(entry);
}

/** What an interpreted launch left behind: its report, 32 bytes, and its buffers. */
export interface PtxResult {
  readonly report: Uint8Array;
  readonly buffers: readonly Uint8Array[];
}

/**
 * Runs a launch on copies of its buffers. `kinds` are those of the kernel's arguments, a letter each; a buffer is its address and its
 * bytes, and the report comes last.
 */
export function runPtx(
  kernel: Kernel,
  kinds: string,
  { buffers, values }: KernelLaunch,
  grid: Omit<Launch, 'parameters'>,
): PtxResult {
  const memory = new GlobalMemory();
  const copies = buffers.map((bytes) => bytes.slice());
  const addresses = copies.map((bytes) => memory.allocate(bytes));
  const report = new Uint8Array(32);
  const parameters = values.flatMap((value, index) => {
    if ('scalar' in value) return [BigInt.asUintN(kinds[index] === 'i' ? 32 : 64, value.scalar)];
    const room = (copies[value.buffer]?.length ?? 0) - value.offset;
    return [(addresses[value.buffer] ?? 0n) + BigInt(value.offset), BigInt(room)];
  });
  kernel.run({ ...grid, parameters: [...parameters, memory.allocate(report)] }, memory);
  return { report, buffers: copies };
}
