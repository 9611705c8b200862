import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { LockstepError } from '../errors.js';
import { readWhole } from '../input/index.js';

/** One question put to an engine, and its answer. */
export interface VectorCase {
  readonly in: unknown;
  readonly out: unknown;
}

/** One file of vectors. */
export interface VectorFamily {
  /** File it came from, for messages. */
  readonly file: string;
  readonly family: string;
  readonly cases: readonly VectorCase[];
}

/** Folder of the vectors that travel with the package. */
export function builtInVectors(): string {
  return fileURLToPath(new URL('../vectors/', import.meta.url));
}

const SHAPE = '{"family": "name", "cases": [{"in": {…}, "out": …}]}';

/**
 * Every `.json` file of a folder and of those in it, by name. Errors: ERR_INPUT_INVALID for a folder that cannot be read or holds none, and for
 * a file of another shape, naming the file and what was expected; ERR_ABORTED.
 */
export async function readVectors(folder: string, signal?: AbortSignal): Promise<VectorFamily[]> {
  let names: string[];
  try {
    names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.json')).sort();
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code ?? String(error);
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${folder} cannot be read as a folder of vectors (${reason})`,
      { folder, reason },
      { cause: error },
    );
  }
  if (names.length === 0) {
    throw new LockstepError(
      'ERR_INPUT_INVALID',
      `${folder} holds no vectors: it needs .json files of the form ${SHAPE}`,
      { folder },
    );
  }
  const families: VectorFamily[] = [];
  for (const name of names) {
    if (signal?.aborted)
      throw new LockstepError('ERR_ABORTED', 'The reading of vectors was aborted', {}, { cause: signal.reason });
    families.push(parseVectors(await readWhole(path.join(folder, name), { signal }), path.join(folder, name)));
  }
  return families;
}

/** The vectors in the text of one file. Errors: ERR_INPUT_INVALID. */
export function parseVectors(text: string, file: string): VectorFamily {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw malformed(file, `it is not JSON (${(error as Error).message})`);
  }
  if (!isObject(value)) throw malformed(file, 'it is not an object');
  const { family, cases } = value;
  if (typeof family !== 'string' || family === '') throw malformed(file, '"family" is not a name');
  if (!Array.isArray(cases) || cases.length === 0) throw malformed(file, '"cases" is not an array with a case in it');
  for (const [index, item] of cases.entries()) {
    if (!isObject(item) || !isObject(item.in)) throw malformed(file, `cases[${index}] has no object "in"`);
    if (item.out === undefined) throw malformed(file, `cases[${index}] has no "out"`);
  }
  return { file, family, cases: cases as VectorCase[] };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(file: string, fault: string): LockstepError {
  return new LockstepError('ERR_INPUT_INVALID', `${file} is not a file of vectors: ${fault}; expected ${SHAPE}`, {
    file,
    fault,
    expected: SHAPE,
  });
}
