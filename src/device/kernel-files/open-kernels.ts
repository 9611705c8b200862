import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../../errors.js';
import type { CompiledKernel, KernelFile } from './kernel-file.js';
import { parseManifest } from './manifest.js';
import { parseTriton } from './triton.js';

/** A kernel that a file describes. Arguments and grid are null where it says nothing of them. */
export interface OpenedKernel {
  readonly name: string;
  readonly compiled: CompiledKernel;
  /** Path of its image. */
  readonly image: string;
  readonly arguments: KernelFile['arguments'] | null;
  readonly grid: KernelFile['grid'] | null;
}

/** Images by their path, and the kernels that are described: none where the file is an image alone. */
export interface OpenedKernels {
  readonly images: ReadonlyMap<string, Uint8Array>;
  readonly kernels: readonly OpenedKernel[];
}

/**
 * Opens an image (cubin, fatbin, PTX, HIP code object), Triton's pair by either of its files, or a manifest and the images that it
 * names, relative to itself. @throws `ERR_INPUT_INVALID` with `path`, and `field` where one is wrong.
 */
export function openKernels(file: string): OpenedKernels {
  const kernels = describedBy(file);
  const paths = kernels.length === 0 ? [file] : kernels.map(({ image }) => image);
  return { images: new Map([...new Set(paths)].map((one) => [one, read(one)])), kernels };
}

function describedBy(file: string): OpenedKernel[] {
  if (path.extname(file) !== '.json') {
    const beside = `${file.slice(0, file.length - path.extname(file).length)}.json`;
    if (!existsSync(beside)) return [];
    const text = read(beside).toString('utf8');
    return isTriton(text) ? [tritonKernel(beside, text)] : [];
  }
  const text = read(file).toString('utf8');
  if (isTriton(text)) return [tritonKernel(file, text)];
  return parseManifest(text, file).map((kernel) => {
    const { name, arguments: args, grid } = kernel;
    if (!('file' in kernel.compiled)) {
      return { name, compiled: kernel.compiled, image: beside(file, kernel.compiled.image), arguments: args, grid };
    }
    const source = beside(file, kernel.compiled.file);
    const compiled = parseTriton(read(source).toString('utf8'), source, kernel.compiled.ignore);
    return { name, compiled, image: beside(source, compiled.image), arguments: args, grid };
  });
}

/** Triton writes `num_warps` of every kernel; a manifest has no such field. */
function isTriton(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && 'num_warps' in value;
  } catch {
    // The parser of manifests says what is wrong.
    return false;
  }
}

function tritonKernel(file: string, text: string): OpenedKernel {
  const compiled = parseTriton(text, file);
  return { name: compiled.symbol, compiled, image: beside(file, compiled.image), arguments: null, grid: null };
}

function beside(file: string, name: string): string {
  return path.resolve(path.dirname(file), name);
}

function read(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const message = `${file} cannot be read: ${(error as Error).message}.`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { path: file }, { cause: error });
  }
}
