import { LockstepError, shown } from '../errors.js';
import type { NativeBuffer } from '../native/index.js';
import { bufferHandle, type DeviceBuffer, isBuffer } from './buffer.js';
import type { CompiledKernel, FileArgument, KernelFile } from './kernel-files/kernel-file.js';
import { gridOf, leastBytes, type Scalars } from './kernel-files/launch-sizes.js';
import type { DevicePool } from './pool.js';

/** A scalar with its type, as kernels take it from an image that says nothing of its parameters. */
export type TypedScalar =
  | { readonly i32: number }
  | { readonly u32: number }
  | { readonly i64: bigint | number }
  | { readonly f32: number }
  | { readonly f64: number };

/** x, y, z. */
export type LaunchDimensions = readonly [number, number, number];

/** How a kernel of an image is launched; what its file says of it cannot be given again. */
export interface LaunchOptions {
  /** Blocks; of a kernel that Triton's file describes, programs. Needed unless a manifest has a rule for it. */
  readonly grid?: LaunchDimensions;
  /** Threads of a block. Needed for an image alone. */
  readonly block?: LaunchDimensions;
  /** Shared memory beside the kernel's own; default 0. */
  readonly sharedBytes?: number;
  /** Blocks of a cluster, which divide the grid; CUDA from sm_90 on. Default 1, 1, 1. */
  readonly cluster?: LaunchDimensions;
  /** All blocks must be on the device at once; CUDA. Default false. */
  readonly cooperative?: boolean;
  /** Where the scratch memory that a kernel's file asks for is taken from; needed in a capture. */
  readonly pool?: DevicePool;
}

/** A kernel of an image, and what is known of it. */
export interface RawKernel {
  /** What messages call it. */
  readonly name: string;
  readonly symbol: string;
  readonly compiled: CompiledKernel | null;
  readonly arguments: KernelFile['arguments'] | null;
  readonly grid: KernelFile['grid'] | null;
}

/** A buffer from a byte on. */
interface Place {
  readonly buffer: DeviceBuffer;
  readonly offset: number;
}

/** A launch as the addon takes it, scratch memory left out. */
export interface EncodedLaunch {
  readonly values: (NativeBuffer | bigint)[];
  /** Offset of a buffer, bytes of a word. */
  readonly beside: number[];
  readonly grid: LaunchDimensions;
  readonly block: LaunchDimensions;
  readonly cluster: LaunchDimensions;
  readonly sharedBytes: number;
  readonly cooperative: boolean;
  /** Bytes of each pointer that follows the arguments. */
  readonly scratch: readonly number[];
}

const ONE: LaunchDimensions = [1, 1, 1];
const FIXED = ['block', 'sharedBytes', 'cluster', 'cooperative'] as const;

/**
 * Checks a launch against what the kernel's file says, as far as there is one. Null where its grid has no blocks.
 * @throws `ERR_LAUNCH_INVALID`, `ERR_LAUNCH_BOUNDS`
 */
export function encodeLaunch(
  kernel: RawKernel,
  args: readonly unknown[],
  options: LaunchOptions,
): EncodedLaunch | null {
  const { compiled } = kernel;
  const parameters = kernel.arguments;
  if (parameters !== null && args.length !== parameters.length) {
    throw invalid(kernel, `takes ${parameters.length} arguments, ${args.length} were given`);
  }
  const stray = compiled === null ? undefined : FIXED.find((name) => options[name] !== undefined);
  if (stray !== undefined) throw invalid(kernel, `has its ${stray} from its file; leave it out`, { field: stray });
  const values: (NativeBuffer | bigint)[] = [];
  const beside: number[] = [];
  const places: (Place | null)[] = [];
  const scalars: Record<string, bigint | number> = {};
  for (const [index, arg] of args.entries()) {
    const parameter = parameters?.[index];
    const place = placeOf(arg);
    places.push(place);
    if (place !== null) {
      if (parameter !== undefined && !('least' in parameter)) {
        throw wrong(kernel, index, 'is a scalar; a buffer was given', parameter);
      }
      values.push(bufferHandle(place.buffer));
      beside.push(place.offset);
      continue;
    }
    if (parameter !== undefined && 'least' in parameter) {
      throw wrong(kernel, index, `is a buffer; ${shown(arg)} was given`, parameter);
    }
    const word = scalarOf(kernel, index, arg, parameter);
    if (parameter !== undefined) scalars[parameter.name] = word.value;
    values.push(word.bits);
    beside.push(word.bytes);
  }
  if (parameters !== null) checkBuffers(kernel, parameters, places, scalars);
  const cluster = compiled?.cluster ?? dimensions(kernel, 'cluster', options.cluster ?? ONE);
  const grid = gridFor(kernel, options, scalars, cluster);
  if (grid.includes(0)) return null;
  const programs = grid.reduce((all, blocks, axis) => all * (blocks / (cluster[axis] ?? 1)), 1);
  return {
    values,
    beside,
    grid,
    cluster,
    block: compiled?.block ?? dimensions(kernel, 'block', options.block),
    sharedBytes: compiled?.sharedBytes ?? whole(kernel, 'sharedBytes', options.sharedBytes ?? 0),
    cooperative: compiled?.cooperative ?? options.cooperative === true,
    scratch: (compiled?.scratch ?? []).map(({ bytes }) => bytes * programs),
  };
}

function gridFor(
  kernel: RawKernel,
  options: LaunchOptions,
  scalars: Scalars,
  cluster: LaunchDimensions,
): LaunchDimensions {
  if (options.grid !== undefined) {
    const grid = dimensions(kernel, 'grid', options.grid);
    // A file's grid counts clusters.
    return kernel.compiled === null ? grid : [grid[0] * cluster[0], grid[1] * cluster[1], grid[2] * cluster[2]];
  }
  if (kernel.grid === null) throw invalid(kernel, 'needs a grid: launch(kernel, args, { grid: [x, y, z] })');
  return gridOf({ name: kernel.name, grid: kernel.grid, cluster: [...cluster] }, scalars);
}

function checkBuffers(
  kernel: RawKernel,
  parameters: readonly FileArgument[],
  places: readonly (Place | null)[],
  scalars: Scalars,
): void {
  const least = leastBytes(parameters, scalars);
  for (const [index, parameter] of parameters.entries()) {
    const place = places[index] ?? null;
    if (place === null || !('least' in parameter)) continue;
    if (place.offset % parameter.elementBytes !== 0) {
      const mistake = `begins at byte ${place.offset}; its elements are of ${parameter.elementBytes} bytes`;
      throw wrong(kernel, index, mistake, parameter);
    }
    const [needed, actual] = [least[index] ?? 0, place.buffer.bytes - place.offset];
    if (needed <= actual) continue;
    throw new LockstepError(
      'ERR_LAUNCH_BOUNDS',
      `${kernel.name}: argument ${index} (${parameter.name}) needs ${needed} bytes and has ${actual}; give a larger buffer or smaller counts.`,
      { kernel: kernel.name, argument: index, name: parameter.name, needed, actual },
    );
  }
}

interface Word {
  readonly bits: bigint;
  readonly bytes: 4 | 8;
  readonly value: bigint | number;
}

const RANGES = {
  i32: [-(2n ** 31n), 2n ** 31n - 1n],
  u32: [0n, 2n ** 32n - 1n],
  i64: [-(2n ** 63n), 2n ** 63n - 1n],
} as const;

function scalarOf(kernel: RawKernel, index: number, arg: unknown, parameter: FileArgument | undefined): Word {
  const bare = typeof arg === 'number' || typeof arg === 'bigint';
  const names = bare || typeof arg !== 'object' || arg === null ? [] : Object.keys(arg);
  const type = bare ? parameter?.kind : names.length === 1 ? names[0] : undefined;
  const value: unknown = bare ? arg : (arg as Record<string, unknown> | null)?.[type ?? ''];
  if (type === undefined || (parameter !== undefined && type !== parameter.kind)) {
    const expected =
      parameter === undefined ? 'a buffer, { i32 }, { u32 }, { i64 }, { f32 } or { f64 }' : parameter.kind;
    throw wrong(kernel, index, `is ${shown(arg)}; give ${expected}`, parameter);
  }
  if (type === 'f32' || type === 'f64') {
    if (typeof value !== 'number') throw wrong(kernel, index, `is ${shown(arg)}; give a number`, parameter);
    const view = new DataView(new ArrayBuffer(8));
    if (type === 'f32') view.setFloat32(0, value, true);
    else view.setFloat64(0, value, true);
    return { bits: view.getBigUint64(0, true), bytes: type === 'f32' ? 4 : 8, value };
  }
  const range = type === 'i32' || type === 'u32' || type === 'i64' ? RANGES[type] : undefined;
  const integer = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : null;
  if (range === undefined || integer === null || integer < range[0] || integer > range[1]) {
    throw wrong(kernel, index, `is ${shownInteger(arg)}, which is no ${type} of a kernel`, parameter);
  }
  const bytes = type === 'i64' ? 8 : 4;
  return { bits: BigInt.asUintN(bytes * 8, integer), bytes, value: integer };
}

function shownInteger(arg: unknown): string {
  if (typeof arg !== 'object' || arg === null) return String(arg);
  return Object.entries(arg)
    .map(([type, value]) => `{ ${type}: ${String(value)} }`)
    .join();
}

function placeOf(arg: unknown): Place | null {
  if (isBuffer(arg)) return { buffer: arg, offset: 0 };
  if (typeof arg !== 'object' || arg === null || !('buffer' in arg)) return null;
  const { buffer, offset } = arg as Place;
  bufferHandle(buffer);
  return { buffer, offset };
}

function dimensions(kernel: RawKernel, field: string, value: unknown): LaunchDimensions {
  const valid =
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((size) => Number.isInteger(size) && size >= 1 && size < 2 ** 32);
  if (valid) return value as unknown as LaunchDimensions;
  throw invalid(kernel, `has a ${field} of ${shown(value)}; give three positive integers, x, y, z`, { field });
}

function whole(kernel: RawKernel, field: string, value: unknown): number {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31) return value as number;
  throw invalid(kernel, `has ${field} of ${shown(value)}; give bytes, 0 or more`, { field });
}

function invalid(kernel: RawKernel, mistake: string, details: Readonly<Record<string, unknown>> = {}): LockstepError {
  return new LockstepError('ERR_LAUNCH_INVALID', `${kernel.name} ${mistake}.`, { kernel: kernel.name, ...details });
}

function wrong(kernel: RawKernel, index: number, mistake: string, parameter?: FileArgument): LockstepError {
  const name = parameter === undefined ? '' : ` (${parameter.name})`;
  return new LockstepError('ERR_LAUNCH_INVALID', `${kernel.name}: argument ${index}${name} ${mistake}.`, {
    kernel: kernel.name,
    argument: index,
    ...(parameter === undefined ? {} : { name: parameter.name }),
  });
}
