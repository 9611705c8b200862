import { type OpenFile, withFile } from './files.js';
import { type WeightDtype, widen } from './float-formats.js';
import { modelRefusal } from './refusal.js';
import type { TensorEntry } from './safetensors-header.js';

/** Values of 16 bits that are read before they are converted. */
const CHUNK_VALUES = 1 << 20;

/** A tensor's values as float32. Reads its range alone. Errors: ERR_MODEL_INVALID. */
export function readTensor(entry: TensorEntry): Float32Array {
  const { dtype, bytes } = entry;
  const values = allocate(entry, dtype === 'F32' ? bytes / 4 : bytes / 2);
  return withFile(entry.file, (open) => {
    const end = entry.offset + bytes;
    // The file may have been replaced since its header was read.
    if (open.size < end) {
      const found = Math.max(0, open.size - entry.offset);
      const expected = `${bytes} bytes long: the file is shorter than it was when it was opened`;
      throw modelRefusal({ file: entry.file, field: `tensor "${entry.name}"`, expected, found });
    }
    if (dtype === 'F32') open.read(new Uint8Array(values.buffer), entry.offset);
    else readNarrow(open, entry.offset, dtype, new Uint32Array(values.buffer));
    return values;
  });
}

function readNarrow(open: OpenFile, offset: number, dtype: Exclude<WeightDtype, 'F32'>, into: Uint32Array): void {
  const chunk = new Uint16Array(Math.min(CHUNK_VALUES, into.length));
  for (let done = 0; done < into.length; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, into.length - done));
    open.read(new Uint8Array(part.buffer, 0, part.byteLength), offset + done * 2);
    widen(dtype, part, into.subarray(done, done + part.length));
  }
}

function allocate({ file, name }: TensorEntry, count: number): Float32Array<ArrayBuffer> {
  try {
    return new Float32Array(count);
  } catch (cause) {
    const field = `tensor "${name}"`;
    throw modelRefusal({ file, field, expected: 'small enough for this process', found: `${count} values`, cause });
  }
}
