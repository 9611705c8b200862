import { type ErrorCode, LockstepError, shown } from '../errors.js';

/** Refuses one line of a source: `field` must be `expected`, and is `found`. */
export type RefuseLine = (line: number, field: string, expected: string, found: unknown, cause?: unknown) => never;

/** Throws errors of one source, whose message and details say file, line, field, what was expected and what was found. */
export function lineRefusal(code: ErrorCode, file: string, remedy: string): RefuseLine {
  return (line, field, expected, found, cause) => {
    const text = shown(found);
    throw new LockstepError(
      code,
      `${file}:${line}: ${field} must be ${expected}, found ${text}; ${remedy}`,
      { file, line, field, expected, found: text },
      cause === undefined ? undefined : { cause },
    );
  };
}

/** Real lines are far shorter than 16 Mi characters. It bounds the memory that a source without line ends can take. */
export const MAX_LINE_CHARACTERS: number = 16 * 1024 * 1024;

/** Refuses a line of which `text` is the beginning, where that is longer than a line may be. */
export function checkLineLength(text: string, line: number, refuse: RefuseLine): void {
  if (text.length <= MAX_LINE_CHARACTERS) return;
  refuse(line, 'the line', `at most ${MAX_LINE_CHARACTERS} characters long`, text.slice(0, 1024));
}
