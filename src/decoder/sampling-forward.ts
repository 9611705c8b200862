import type { ForwardBatch } from '../batch/index.js';
import type { Forward } from '../execution/index.js';
import type { WaitOptions } from '../wait.js';

/** How a token is drawn from logits. A draw depends on the logits, these and the token's position, and on nothing else. */
export interface SamplingControls {
  /** 0: the first of the greatest logits. Else the logits are divided by it. */
  readonly temperature: number;
  /** Tokens kept, the most likely first; 0 keeps all. */
  readonly topK: number;
  /** Share of the probability that is kept, the most likely tokens first: above 0, to 1, which keeps all. */
  readonly topP: number;
  /** Unsigned, of 64 bits. */
  readonly seed: bigint;
}

/** One row of logits that a token is drawn from. */
export interface SamplingRow {
  readonly controls: SamplingControls;
  /** Position of the token that is drawn, the prompt's first token being at 0. */
  readonly position: number;
}

/** What computes tokens on one rank: a forward whose last hidden states are sampled. */
export interface SamplingForward extends Forward, Disposable {
  /**
   * Enqueues sampling after a launched step and waits for its ids: i32[rows.length], one for each row of logits, in the order of
   * `local.tensors.logitsIndices`. A decode has a row for each of its tokens, the last chunk of a prefill has one. What is returned
   * may be overwritten by the next call.
   */
  sampleSync(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Int32Array;
  /** `sampleSync` for a thread whose event loop must stay free. */
  sample(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Promise<Int32Array>;
}
