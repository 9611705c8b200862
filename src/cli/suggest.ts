import { readdirSync } from 'node:fs';
import path from 'node:path';
import { distance } from 'fastest-levenshtein';
import type { LockstepError } from '../errors.js';

/**
 * The word of a list that somebody meant: at most a third of its letters differ, and at most 3; of words as near that which begins alike
 * for longer. Undefined where none is as near.
 */
export function nearest(given: string, words: readonly string[]): string | undefined {
  const near = words
    .map((word) => ({ word, away: distance(given.toLowerCase(), word.toLowerCase()) }))
    .filter(({ word, away }) => away <= Math.min(3, Math.ceil(Math.max(word.length, given.length) / 3)))
    .sort((a, b) => a.away - b.away || beginning(given, b.word) - beginning(given, a.word));
  return near[0]?.word;
}

/** Letters with which two words begin alike. */
function beginning(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length]?.toLowerCase() === other[length]?.toLowerCase()) length++;
  return length;
}

/** ` Did you mean "x"?`, or nothing. */
export function meant(given: string, words: readonly string[]): string {
  const word = nearest(given, words);
  return word === undefined || word === given ? '' : ` Did you mean "${word}"?`;
}

/** The same for a file or folder that an error says is not there: one beside it with a name like it. */
export function meantFile(error: LockstepError): string {
  const file = missingFile(error.cause);
  if (file === undefined) return '';
  const folder = path.dirname(file);
  const found = meant(path.basename(file), namesIn(folder));
  return found.replace(/"(.*)"/, (_, name: string) => JSON.stringify(path.join(folder, name)));
}

/** The path that a system call did not find, of the first error that names one. */
function missingFile(cause: unknown): string | undefined {
  for (let error = cause; error instanceof Error; error = error.cause) {
    const { code, path: file } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && typeof file === 'string') return file;
  }
  return undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** The words that a message lists after a word it does not know, such as `No policy is called vlm: there are lockstep, sglang`. */
export function meantWord(message: string): string {
  const [, given, list] =
    /(?:is called |^|\n {2}- )"?([\w.@-]+)"?(?:: there are | is not a \w+: .*\()([^()\n]+?)(?:, or |\)|$)/m.exec(
      message,
    ) ?? [];
  return given === undefined || list === undefined ? '' : meant(given, list.split(', '));
}
