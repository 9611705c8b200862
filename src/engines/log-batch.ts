/** Batches of one shape in an engine's log. What the log does not say is left out. */
export interface LogBatch {
  /** `decode`: all requests decode; `prefill`: prompts; `mixed`: prompts and decodes, or the log does not distinguish. */
  readonly phase: 'decode' | 'prefill' | 'mixed';
  /** Tokens of the batch; of several ranks, the most that one has. */
  readonly tokens: number;
  /** Requests of the batch. */
  readonly requests?: number;
  /** Tokens it was padded to. */
  readonly padded?: number;
  /** How it ran; `graph` if the log does not say which kind. */
  readonly mode?: 'full' | 'piecewise' | 'graph' | 'eager';
  /** Ranks whose lines were joined into the step. Absent for one. */
  readonly ranks?: number;
  /** Tokens of all ranks of the step. Absent for one. */
  readonly rankTokens?: number;
  /** Batches of this shape in the log. */
  readonly count: number;
}

/** Memory and time that capturing took, as a log tells it. */
export interface LogCapture {
  /** Device memory that the graphs take, in bytes. */
  readonly bytes: number;
  /** Seconds that capturing took. */
  readonly seconds: number;
}

/** The median time of a forward of so many tokens. */
export interface LogTime {
  /** Tokens of the forward. */
  readonly tokens: number;
  /** Forwards that were timed. */
  readonly count: number;
  /** Null in the versions that counted alone. */
  readonly ms: number | null;
}

/** What one line of a log says. */
export type LogFact =
  | {
      readonly kind: 'batch';
      /** A batch of no tokens is that of a rank that idles. */
      readonly batch: LogBatch;
      /** The data-parallel rank that wrote the line, where it says so. */
      readonly rank?: string | undefined;
      /** What lines of one step have in common: a second, or the number of an iteration. */
      readonly moment?: string | undefined;
    }
  /** What ran when the line was written: a look at the engine now and then, where no line counts its batches. */
  | {
      readonly kind: 'sample';
      readonly batch: LogBatch;
      readonly rank?: string | undefined;
      readonly moment?: string | undefined;
    }
  | { readonly kind: 'mode'; readonly mode: string }
  | { readonly kind: 'sizes'; readonly sizes: readonly number[] }
  /** `what` was captured: each counts once, however many ranks say it. */
  | { readonly kind: 'capture'; readonly what: string; readonly capture: LogCapture }
  /** Counts since the start: a later line of the same process replaces it. */
  | { readonly kind: 'times'; readonly process: string; readonly times: readonly LogTime[] };

/** Reads one line after the other: returns what it says, or null for a line that says nothing of batches. An `unended` line may be cut, within a number too. */
export type LogLineReader = (line: string, unended: boolean) => LogFact | null;

/** The sizes of `[1, 2, 4]`; null where the list is empty or cut off. */
export function sizesOf(text: string): number[] | null {
  const sizes = text.split(',').map(Number);
  return sizes.every((size) => Number.isInteger(size) && size > 0) ? [...new Set(sizes)].sort((a, b) => a - b) : null;
}
