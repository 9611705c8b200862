import { readdirSync } from 'node:fs';
import path from 'node:path';
import { LockstepError } from '../errors.js';
import { isFile, jsonObject, objectOf, readDocument, withFile } from './files.js';
import { modelRefusal } from './refusal.js';
import { readHeader, type TensorEntry } from './safetensors-header.js';

/** The file that says which tensor lies in which file. */
export const INDEX_FILE = 'model.safetensors.index.json';

/**
 * The tensors of a folder, by name: of the files that `model.safetensors.index.json` names, and without it of every `*.safetensors`. Only headers
 * are read. Errors: ERR_MODEL_INVALID.
 */
export function readWeightFiles(directory: string): ReadonlyMap<string, TensorEntry> {
  const index = path.join(directory, INDEX_FILE);
  return isFile(index) ? indexed(directory, index) : unindexed(directory);
}

const headerOf = (file: string): TensorEntry[] => withFile(file, readHeader);

function unindexed(directory: string): Map<string, TensorEntry> {
  const names = listed(directory).filter((name) => name.endsWith('.safetensors'));
  if (names.length === 0) {
    const message = `${directory}: has no *.safetensors; weights in other formats are not read, convert them with transformers' save_pretrained`;
    throw new LockstepError('ERR_MODEL_INVALID', message, { file: directory });
  }
  const entries = new Map<string, TensorEntry>();
  for (const entry of names.sort().flatMap((name) => headerOf(path.join(directory, name)))) {
    const { name, file } = entry;
    const other = entries.get(name);
    if (other !== undefined) {
      const expected = `in one file alone; it is in ${other.file} too`;
      throw modelRefusal({ file, field: `tensor "${name}"`, expected, found: file, details: { tensor: name } });
    }
    entries.set(name, entry);
  }
  return entries;
}

function listed(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (cause) {
    const message = `${directory}: cannot be read (${(cause as Error).message}); give a folder that you may read`;
    throw new LockstepError('ERR_MODEL_INVALID', message, { file: directory }, { cause });
  }
}

function indexed(directory: string, index: string): Map<string, TensorEntry> {
  const document = jsonObject(index, 'the file', readDocument(index));
  const places = [...objectOf(index, 'weight_map', document.get('weight_map'))];
  const wrong = places.find(([, file]) => !isPlainName(file));
  if (wrong !== undefined) {
    const field = `the file of tensor "${wrong[0]}"`;
    throw modelRefusal({ file: index, field, expected: 'the name of a *.safetensors beside it', found: wrong[1] });
  }
  const files = [...new Set(places.map(([, file]) => file as string))].sort();
  const found = new Map(files.map((file) => [file, byName(headerOf(path.join(directory, file)))]));
  return new Map(
    places.map(([name, file]) => {
      const entry = found.get(file as string)?.get(name);
      if (entry !== undefined) return [name, entry];
      const field = `the file of tensor "${name}"`;
      throw modelRefusal({ file: index, field, expected: 'one that has it', found: file, details: { tensor: name } });
    }),
  );
}

const byName = (entries: readonly TensorEntry[]): Map<string, TensorEntry> =>
  new Map(entries.map((entry) => [entry.name, entry]));

/** Whether it names a file in the same folder: an index leads nowhere else. */
function isPlainName(file: unknown): boolean {
  return typeof file === 'string' && file.endsWith('.safetensors') && !/[\\/\0]/.test(file);
}
