import type { EngineArrival, EngineEnd } from './engine-request.js';
import type { TokenLogprobs } from './token-logprobs.js';

/** What happens to a rank's requests between two steps. It takes effect before the vote of the next one, in order. */
export type EngineEvent =
  | { readonly kind: 'arrive'; readonly request: EngineArrival }
  /** The request ends now; nothing happens where it has ended already. */
  | { readonly kind: 'cancel'; readonly id: number };

/** A token that a step gave a request, and whether it is the last; `token` is -1 where it ended without one. */
export interface EngineToken {
  readonly id: number;
  readonly token: number;
  readonly end: EngineEnd | null;
  /** Where the request asks for it. */
  readonly logprobs?: TokenLogprobs;
}

/** Counts of one rank since its start. */
export interface EngineStats {
  readonly finished: number;
  readonly cancelled: number;
  readonly preemptions: number;
  readonly promptTokens: number;
  readonly generatedTokens: number;
  /** Prompt tokens whose KV blocks were there already. */
  readonly reusedTokens: number;
  /** Drafts that were computed, and those of them that were what the model said. */
  readonly draftTokens: number;
  readonly acceptedTokens: number;
  /** KV blocks that requests hold, and those of the pool. */
  readonly usedBlocks: number;
  readonly blocks: number;
}
