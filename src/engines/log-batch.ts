/** Batches of one shape, as an engine's log tells them. What it does not tell is left out. */
export interface LogBatch {
  /** Requests that all decode, prompts, or what the log does not tell apart. */
  readonly phase: 'decode' | 'prefill' | 'mixed';
  /** Tokens of the batch. */
  readonly tokens: number;
  readonly requests?: number;
  /** Tokens it was padded to. */
  readonly padded?: number;
  /** How it ran; `graph` where the log does not tell which kind. */
  readonly mode?: 'full' | 'piecewise' | 'graph' | 'eager';
  /** Batches the log tells of. */
  readonly count: number;
}

/** Reads one line after the other: its batch, or null for a line that tells of none. */
export type LogLineReader = (line: string) => LogBatch | null;
