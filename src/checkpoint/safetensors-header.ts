import { jsonObject, type OpenFile, objectOf, utf8Of } from './files.js';
import { DTYPE_BYTES, isWeightDtype, type WeightDtype } from './float-formats.js';
import { modelRefusal } from './refusal.js';

/** Where a tensor lies in a file. */
export interface TensorEntry {
  readonly name: string;
  readonly file: string;
  readonly dtype: WeightDtype;
  readonly shape: readonly number[];
  /** First byte in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** Most bytes of a header. Source: safetensors, MAX_HEADER_SIZE. */
export const MAX_HEADER_BYTES = 100_000_000;
/** Bytes before the header: its length. */
export const LENGTH_BYTES = 8;

/**
 * The tensors of one .safetensors file. Nothing is believed of the header that the file does not bear out: ranges lie inside the file, one
 * after the other without gaps, each as long as its dtype and shape say. Errors: ERR_MODEL_INVALID. Source: safetensors' README, "Format".
 */
export function readHeader(open: OpenFile): TensorEntry[] {
  const { file } = open;
  const length = headerLength(open);
  const bytes = new Uint8Array(length);
  open.read(bytes, LENGTH_BYTES);
  const header = jsonObject(file, 'the header', utf8Of(file, 'the header', bytes));
  const begin = LENGTH_BYTES + length;
  const entries = [...header]
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => entryOf(file, name, value, begin));
  checkRanges(file, entries, begin, open.size);
  return entries;
}

function headerLength({ file, size, read }: OpenFile): number {
  if (size < LENGTH_BYTES) {
    const expected = `at least ${LENGTH_BYTES} bytes long, which say how long its header is`;
    throw modelRefusal({ file, field: 'the file', expected, found: size });
  }
  const bytes = new Uint8Array(LENGTH_BYTES);
  read(bytes, 0);
  const length = new DataView(bytes.buffer).getBigUint64(0, true);
  const most = Math.min(MAX_HEADER_BYTES, size - LENGTH_BYTES);
  if (length > BigInt(most)) {
    const expected = `at most ${most} bytes long, as the file has ${size}`;
    throw modelRefusal({ file, field: 'the header', expected, found: length });
  }
  return Number(length);
}

function entryOf(file: string, name: string, value: unknown, begin: number): TensorEntry {
  const what = `tensor "${name}"`;
  const refuse = (field: string, expected: string, found: unknown): never => {
    throw modelRefusal({ file, field: `${field} of ${what}`, expected, found, details: { tensor: name } });
  };
  const fields = objectOf(file, what, value);
  const dtype = fields.get('dtype');
  if (!isWeightDtype(dtype)) return refuse('dtype', `one of ${Object.keys(DTYPE_BYTES).join(', ')}`, dtype);
  const shape = fields.get('shape');
  if (!areSizes(shape)) return refuse('shape', 'a list of sizes', shape);
  const offsets = fields.get('data_offsets');
  if (!areSizes(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return refuse('data_offsets', 'where it begins and where it ends', offsets);
  }
  const bytes = shape.reduce((product, size) => product * size, DTYPE_BYTES[dtype]);
  if (offsets[1] - offsets[0] !== bytes) {
    return refuse('data_offsets', `${bytes} bytes apart, as ${dtype} [${shape.join(', ')}] takes`, offsets);
  }
  return { name, file, dtype, shape, offset: begin + offsets[0], bytes };
}

function areSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Refuses ranges that overlap, leave a gap, or end elsewhere than the file does. */
function checkRanges(file: string, entries: readonly TensorEntry[], begin: number, size: number): void {
  const sorted = [...entries].sort((a, b) => a.offset - b.offset || a.bytes - b.bytes);
  let end = begin;
  for (const { name, offset, bytes } of sorted) {
    const details = { tensor: name };
    if (offset !== end) {
      const expected = `at byte ${end - begin} of the data, where the tensor before it ends: ranges neither overlap nor leave gaps`;
      throw modelRefusal({
        file,
        field: `the beginning of tensor "${name}"`,
        expected,
        found: offset - begin,
        details,
      });
    }
    end = offset + bytes;
    if (end > size) {
      const expected = `${bytes} bytes long: the file is cut off, copy it again`;
      throw modelRefusal({ file, field: `tensor "${name}"`, expected, found: Math.max(0, size - offset), details });
    }
  }
  if (end !== size) {
    const field = 'the file';
    throw modelRefusal({ file, field, expected: `${end} bytes long, where its last tensor ends`, found: size });
  }
}
