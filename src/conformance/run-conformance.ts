import { isDeepStrictEqual } from 'node:util';
import { checkOptions } from '../checks.js';
import { LockstepError } from '../errors.js';
import { CaseFields, type FamilyRunner } from './case-fields.js';
import { FAMILIES } from './families.js';
import { builtInVectors, readVectors, type VectorFamily } from './vector-files.js';

/** A case whose answer differs from the engine's. */
export interface FailedCase {
  readonly index: number;
  readonly in: unknown;
  readonly expected: unknown;
  /** The answer found, or `{error, message}` where it was refused. */
  readonly found: unknown;
}

export interface FamilyResult {
  readonly family: string;
  /** Where a case failed, the file of the cases: a family may have several. */
  readonly file?: string;
  readonly cases: number;
  readonly passed: number;
  readonly failed: readonly FailedCase[];
  /** Whether this version implements the family; if not, none of its cases ran. */
  readonly built: boolean;
}

/** The comparison of the answers, family by family. */
export interface ConformanceResult {
  /** The families, in the order in which they ran. */
  readonly families: readonly FamilyResult[];
  /** Cases over all families. */
  readonly passed: number;
  /** Cases that differ, over all families. */
  readonly failed: number;
}

/** Options of `runConformance`. */
export interface ConformanceOptions {
  /** Folder of `.json` files of vectors. Default: those that travel with the package. */
  readonly folder?: string;
  /** Ends the comparison with ERR_ABORTED. */
  readonly signal?: AbortSignal;
}

/**
 * Runs every case of a folder of engine vectors, and of the folders in it, on this version and compares the answers. Errors: ERR_INPUT_INVALID for a
 * folder without vectors, a malformed file or case; ERR_ABORTED.
 */
export async function runConformance(options: ConformanceOptions = {}): Promise<ConformanceResult> {
  checkOptions('the options of conformance', options, [], ['folder', 'signal']);
  const vectors = await readVectors(options.folder ?? builtInVectors(), options.signal);
  const families: FamilyResult[] = [];
  for (const family of vectors) families.push(await runFamily(family, options.signal));
  return {
    families,
    passed: families.reduce((sum, { passed }) => sum + passed, 0),
    failed: families.reduce((sum, { failed }) => sum + failed.length, 0),
  };
}

/** Runs one family. Errors: ERR_INPUT_INVALID for a malformed case, ERR_ABORTED. */
export async function runFamily(vectors: VectorFamily, signal?: AbortSignal): Promise<FamilyResult> {
  const { family, file, cases } = vectors;
  const runner = FAMILIES.get(family);
  if (runner === undefined) return { family, cases: cases.length, passed: 0, failed: [], built: false };
  const failed: FailedCase[] = [];
  for (const [index, { in: given, out: expected }] of cases.entries()) {
    if (signal?.aborted)
      throw new LockstepError(
        'ERR_ABORTED',
        `Conformance was aborted in ${family}`,
        { family, index },
        { cause: signal.reason },
      );
    const found = await answer(runner, { given, expected, where: `cases[${index}]` }, vectors.file);
    if (!isDeepStrictEqual(found, expected)) failed.push({ index, in: given, expected, found });
  }
  const result = { family, cases: cases.length, passed: cases.length - failed.length, failed, built: true };
  return failed.length === 0 ? result : { ...result, file };
}

interface CaseItem {
  readonly given: unknown;
  readonly expected: unknown;
  readonly where: string;
}

/** A malformed case is the file's fault and ends the run; anything else that is refused is an answer. */
async function answer(runner: FamilyRunner, item: CaseItem, file: string): Promise<unknown> {
  const { given, expected, where } = item;
  try {
    return await runner(new CaseFields(given, `${where}.in`), { value: expected, where: `${where}.out` });
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    if (error.details.field !== undefined) {
      throw new LockstepError(
        'ERR_INPUT_INVALID',
        `${file}: ${error.message}`,
        { ...error.details, file },
        { cause: error },
      );
    }
    return { error: error.code, message: error.message };
  }
}
