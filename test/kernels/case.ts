import type { KernelLaunch, LaunchValue } from '../support/kernel-program.js';
import type { Draws } from './draws.js';

/** A launch and what it must leave behind: the buffers after it, or the words of its failure (null: any failure). */
export interface KernelCase {
  readonly launch: KernelLaunch;
  readonly expected: { readonly buffers: readonly Uint8Array[] } | { readonly words: string | null };
  /** What makes this case worth drawing, of the kernel's `kinds`. */
  readonly kinds: readonly string[];
}

/** Draws cases of one kernel. */
export interface KernelCases {
  /** What each of many draws must have come up with: without these shapes an index that is off by a row goes unseen. */
  readonly kinds: readonly string[];
  draw(draws: Draws): KernelCase;
}

/** Bytes that a test finds unchanged where nothing may be written. */
export const POISON_BYTE = 0xa5;

export const poison = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(POISON_BYTE);
export const bytesOf = (values: Int32Array | BigInt64Array): Uint8Array => new Uint8Array(values.buffer.slice(0));
export const i32Bytes = (values: readonly number[]): Uint8Array => bytesOf(Int32Array.from(values));
export const i64Bytes = (values: readonly bigint[]): Uint8Array => bytesOf(BigInt64Array.from(values));
export const f32Bytes = (values: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer.slice(0));
export const f32Of = (bytes: Uint8Array): Float32Array =>
  new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
export const i32Of = (bytes: Uint8Array): Int32Array =>
  new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
export const i64Of = (bytes: Uint8Array): BigInt64Array =>
  new BigInt64Array(bytes.buffer, bytes.byteOffset, bytes.length >> 3);
export const at = (buffer: number, offset = 0): LaunchValue => ({ buffer, offset });
export const scalar = (value: number): LaunchValue => ({ scalar: BigInt(value) });

/** A case that must succeed: `change` writes, into copies of the buffers, what the kernel has to. */
export function succeeds(
  launch: KernelLaunch,
  kinds: readonly string[],
  change: (buffers: readonly Uint8Array[]) => void,
): KernelCase {
  const buffers = launch.buffers.map((bytes) => bytes.slice());
  change(buffers);
  return { launch, kinds, expected: { buffers } };
}

/** A case that must fail, with these words unless they depend on which thread comes first. */
export function fails(launch: KernelLaunch, kinds: readonly string[], words: string | null): KernelCase {
  return { launch, kinds: ['failure', ...kinds], expected: { words } };
}
