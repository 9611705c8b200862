/** Batches of one shape in an engine's log. What the log does not say is left out. */
export interface LogBatch {
  /** `decode`: all requests decode; `prefill`: prompts; `mixed`: the log does not distinguish. */
  readonly phase: 'decode' | 'prefill' | 'mixed';
  /** Tokens of the batch. */
  readonly tokens: number;
  readonly requests?: number;
  /** Tokens it was padded to. */
  readonly padded?: number;
  /** How it ran; `graph` if the log does not say which kind. */
  readonly mode?: 'full' | 'piecewise' | 'graph' | 'eager';
  /** Batches of this shape in the log. */
  readonly count: number;
}

/** Reads one line after the other: returns its batch, or null for a line without one. */
export type LogLineReader = (line: string) => LogBatch | null;
