import { closeSync, mkdirSync, openSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import { checkArguments, Faults } from '../checks.js';
import { LockstepError } from '../errors.js';
import type { Checkpoint } from './checkpoint.js';
import { configDocument } from './config-document.js';
import { DTYPE_BYTES, narrow, type WeightDtype } from './float-formats.js';
import { tensorShapes } from './tensor-shapes.js';
import { INDEX_FILE } from './weight-files.js';

/** How a checkpoint is written. */
export interface WriteCheckpointOptions {
  /** Format of every weight; what does not fit is rounded to the nearest, of two to the even one. Default F32. */
  readonly dtype?: WeightDtype;
  /** Files that the weights are spread over, with an index beside them where there are several. Default 1. */
  readonly shards?: number;
}

/** A tensor to be written. */
interface Part {
  readonly name: string;
  readonly shape: readonly number[];
  readonly bytes: number;
}

/**
 * Writes the tensors that a model has and its config.json into a folder in Hugging Face's layout. The folder is made where there is none; it must hold
 * no model yet. Errors: ERR_CONFIG_INVALID for options that cannot work, ERR_INPUT_INVALID for a folder that cannot be written or
 * that holds a model, and those of the checkpoint; what was written is removed then.
 */
export function writeCheckpoint(directory: string, checkpoint: Checkpoint, options: WriteCheckpointOptions = {}): void {
  checkArguments('writeCheckpoint', {
    directory: [directory, 'text'],
    checkpoint: [checkpoint, 'object', 'config'],
    options: [options, 'object'],
  });
  const { dtype = 'F32', shards = 1 } = options;
  const parts = [...tensorShapes(checkpoint.config)].map(([name, shape]): Part => {
    return { name, shape, bytes: shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]) };
  });
  const faults = new Faults();
  faults.names('options', options, ['dtype', 'shards']);
  faults.choice('dtype', dtype, Object.keys(DTYPE_BYTES));
  faults.integer('shards', shards, 1, parts.length);
  faults.throwIfAny('These options');
  const made: string[] = [];
  try {
    mkdirSync(directory, { recursive: true });
    checkVacant(directory);
    const files = spread(parts, shards);
    for (const [file, list] of files) {
      made.push(path.join(directory, file));
      writeWeights(path.join(directory, file), checkpoint, list, dtype);
    }
    const document = (file: string, value: unknown): void => {
      made.push(path.join(directory, file));
      writeFileSync(path.join(directory, file), `${JSON.stringify(value, null, 2)}\n`);
    };
    if (shards > 1) document(INDEX_FILE, indexOf(files));
    // It comes last: what was cut off before does not pass for a model.
    document('config.json', configDocument(checkpoint.config, dtype));
  } catch (error) {
    for (const file of made) rmSync(file, { force: true });
    if (error instanceof LockstepError) throw error;
    const message = `${directory} cannot be written: ${(error as Error).message}`;
    throw new LockstepError('ERR_INPUT_INVALID', message, { path: directory }, { cause: error });
  }
}

function checkVacant(directory: string): void {
  const found = readdirSync(directory).find((name) => name === 'config.json' || name.includes('.safetensors'));
  if (found === undefined) return;
  const message = `${directory} holds ${found} already; give a folder without a model`;
  throw new LockstepError('ERR_INPUT_INVALID', message, { path: directory, found });
}

/** Parts of each file, in order, of about as many bytes each and at least one part. */
function spread(parts: readonly Part[], shards: number): Map<string, Part[]> {
  const total = parts.reduce((sum, { bytes }) => sum + bytes, 0);
  const lists: Part[][] = Array.from({ length: shards }, () => []);
  let shard = 0;
  let before = 0;
  for (const [index, part] of parts.entries()) {
    const left = parts.length - index;
    // The next file begins once this one has its share, or when each one left needs all the parts that are left.
    const full = before >= (total / shards) * (shard + 1) || left <= shards - 1 - shard;
    if (full && lists[shard].length > 0 && shard < shards - 1) shard += 1;
    lists[shard].push(part);
    before += part.bytes;
  }
  const digits = (value: number): string => String(value).padStart(5, '0');
  const nameOf = (index: number): string =>
    shards === 1 ? 'model.safetensors' : `model-${digits(index + 1)}-of-${digits(shards)}.safetensors`;
  return new Map(lists.map((list, index) => [nameOf(index), list]));
}

function indexOf(files: ReadonlyMap<string, readonly Part[]>): unknown {
  const all = [...files].flatMap(([file, parts]) => parts.map((part) => ({ file, ...part })));
  return {
    metadata: { total_size: all.reduce((sum, { bytes }) => sum + bytes, 0) },
    weight_map: Object.fromEntries(all.map(({ name, file }) => [name, file])),
  };
}

function writeWeights(file: string, checkpoint: Checkpoint, parts: readonly Part[], dtype: WeightDtype): void {
  const descriptor = openSync(file, 'wx');
  try {
    writeAll(descriptor, headerOf(parts, dtype));
    for (const { name, shape } of parts) writeAll(descriptor, bytesOf(checkpoint.tensor(name, shape), dtype));
  } finally {
    closeSync(descriptor);
  }
}

/** Length and text of a header; blanks at its end let the data begin at a multiple of 8 bytes. */
function headerOf(parts: readonly Part[], dtype: WeightDtype): Uint8Array {
  let end = 0;
  const entries = parts.map(({ name, shape, bytes }) => {
    end += bytes;
    return [name, { dtype, shape, data_offsets: [end - bytes, end] }];
  });
  const text = JSON.stringify({ __metadata__: { format: 'pt' }, ...Object.fromEntries(entries) });
  const bytes = Buffer.from(text + ' '.repeat((8 - (Buffer.byteLength(text) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, bytes]);
}

function bytesOf(values: Float32Array, dtype: WeightDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const narrowed = new Uint16Array(values.length);
  narrow(dtype, new Uint32Array(values.buffer, values.byteOffset, values.length), narrowed);
  return new Uint8Array(narrowed.buffer);
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    done += writeSync(descriptor, bytes, done, Math.min(1 << 30, bytes.length - done));
  }
}
