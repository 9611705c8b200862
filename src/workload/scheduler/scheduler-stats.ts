/** Totals since the model was made. */
export interface SchedulerStats {
  /** Requests that generated all their tokens. */
  finished: number;
  /** Requests that could never fit. */
  rejected: number;
  /** Times a running request lost its blocks. */
  preemptions: number;
  /** Tokens computed in prefill chunks; tokens computed again after a preemption count again. */
  promptTokens: number;
  /** Output tokens sampled. */
  generatedTokens: number;
  /** Tokens whose KV the prefix cache already held when a request was admitted; each admission counts. */
  reusedTokens: number;
  /** Simulated time in ms: the start of the next step. */
  clockMs: number;
}
