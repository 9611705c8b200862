import type { ForwardBatch, Row } from '../batch/index.js';
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
  /** How the token is drawn. */
  readonly controls: SamplingControls;
  /**
   * Position of the token that is drawn, the prompt's first token being at 0. In `AheadSampling.draw` of a request that goes on: where it is if none of the
   * drafts under way was accepted, as `ContinuedRow.position` says.
   */
  readonly position: number;
}

/** One request of a step that samples, by its rows of logits. */
export interface SampledWindow {
  /** Row of logits of its known token; those of its drafts follow. */
  readonly first: number;
  /** Rows of logits of the window: 1 and its drafts. */
  readonly length: number;
  /** Drafts that were computed after its known token: i32[length - 1]. */
  readonly drafts: Int32Array;
}

/** A decode of the next step whose first token the host has not seen. */
export interface ContinuedRow {
  /** The planner's row of the request. */
  readonly row: Row;
  /** Index of the window of the step before that it goes on with. */
  readonly window: number;
  /** Position of its first token if none of the earlier window's drafts was accepted; each that was moves it by one. */
  readonly position: number;
  /** Proposed after its first token: i32[queryLen - 1]. */
  readonly drafts: Int32Array;
}

/** What a step came to, read from the device. */
export interface SampledStep {
  /** One token for each row of logits. */
  readonly ids: Int32Array;
  /** Drafts of each window that were accepted. */
  readonly accepted: Int32Array;
  /** f32[rows, vocabSize], where it was asked for. */
  readonly logits: Float32Array | null;
}

/** A step whose tokens were drawn on the device and are not read yet. */
export interface DrawnStep {
  /** Waits for this step, and not for later ones. Once, and before two more steps are drawn. */
  readSync(options?: WaitOptions): SampledStep;
  /** The same without blocking the event loop. */
  read(options?: WaitOptions): Promise<SampledStep>;
}

/** Sampling whose tokens stay on the device and fill the next step's inputs, so that it can be planned and submitted meanwhile. */
export interface AheadSampling {
  /**
   * Enqueues the sampling of a launched step. A request that goes on is drawn at its position on the device: each draft that was accepted before moves its
   * rows by one. `logits`: whether they are to be read too.
   */
  draw(
    local: ForwardBatch,
    rows: readonly SamplingRow[],
    windows: readonly SampledWindow[],
    options?: { readonly logits?: boolean },
  ): DrawnStep;
  /** The decodes of the next step to be launched that go on with the step drawn last; the host's ids of them are not looked at. */
  continueWith(rows: readonly ContinuedRow[]): void;
}

/** What computes tokens on one rank: a forward whose last hidden states are sampled. */
export interface SamplingForward extends Forward, Disposable {
  /** Bytes of its KV cache that one block of the pool takes. Asked for with `numBlocks: 'auto'`. Default: it does not say. */
  readonly blockBytes?: number;
  /**
   * Enqueues sampling after a launched step and waits for its ids: i32[rows.length], one for each row of logits, in the order of
   * `local.tensors.logitsIndices`. A decode has a row for each of its tokens, the last chunk of a prefill has one. What is returned
   * may be overwritten by the next call.
   */
  sampleSync(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Int32Array;
  /** `sampleSync` for a thread whose event loop must stay free. */
  sample(local: ForwardBatch, rows: readonly SamplingRow[], options?: WaitOptions): Promise<Int32Array>;
  /**
   * The logits that a launched step's tokens are drawn from: f32[numLogits, vocabSize], in the same order. A service
   * asks a decoder for them where a request wants to know how likely its tokens are, and no other forward. Default: the forward gives none.
   */
  logitsSync?(local: ForwardBatch, options?: WaitOptions): Float32Array;
  /** Sampling that the next step need not wait for. Default: the forward cannot, and its steps are not planned ahead. */
  readonly ahead?: AheadSampling;
}
