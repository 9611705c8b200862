import type { Limits } from '../config.js';
import type { SamplingControls } from '../decoder/index.js';
import { PromptLookup } from './prompt-lookup.js';

/** What a rank gets of a request. Plain data that crosses threads. */
export interface EngineArrival {
  /** Tells requests apart; a rank never sees one twice. */
  readonly id: number;
  /** Tokens of the prompt, at least one. */
  readonly ids: Int32Array;
  /** Tokens after which it ends, 0 or more. */
  readonly maxTokens: number;
  readonly controls: SamplingControls;
  /** Tokens that end it; the one that does is its last. */
  readonly stopTokenIds: readonly number[];
  /** Whether it shares the KV blocks of equal prompts. Default true. */
  readonly sharePrefix?: boolean;
  /** How many of the likeliest tokens are given with each; left out, no token's likelihood is. */
  readonly logprobs?: number | undefined;
}

/** Tokens that prompt and output of a request can have together. */
export function mostTokens({ maxModelLen, numBlocks, blockSize }: Limits): number {
  return Math.min(maxModelLen, (numBlocks - 1) * blockSize);
}

/** Why a rank of these limits can never serve a request; null where it can. */
export function refusalOf(limits: Limits, { ids, maxTokens }: Pick<EngineArrival, 'ids' | 'maxTokens'>): string | null {
  const most = mostTokens(limits);
  if (ids.length === 0) return 'the prompt has no tokens; give at least one';
  if (ids.length + maxTokens <= most) return null;
  return `the prompt's ${ids.length} tokens and ${maxTokens} more are above the ${most} that a request can have; shorten the prompt or lower maxTokens`;
}

/** Why a request ended: at a stop token, at its most tokens, or because it was cancelled. */
export type EngineEnd = 'stop' | 'length' | 'cancelled';

/** Proposes up to `count` tokens that may follow a request's text. */
export type Drafter = (request: EngineRequest, count: number) => ArrayLike<number>;

/** A request on a rank: its tokens so far, and where it stands. */
export class EngineRequest {
  readonly id: number;
  readonly promptTokens: number;
  readonly maxTokens: number;
  readonly controls: SamplingControls;
  readonly sharePrefix: boolean;
  readonly logprobs: number | undefined;
  readonly #stops: ReadonlySet<number>;
  #ids: Int32Array;
  #length: number;
  #lookup: PromptLookup | null = null;
  /** Whether it runs or waits; a preempted one waits again. One that is counted as neither is gone. */
  place: 'running' | 'waiting' | 'gone' = 'waiting';
  /** Tokens that steps were launched for at least, where they are planned ahead of what they say. */
  drawn = 0;
  /** Drafts of the step that was launched for it last, where that is not heard yet: i32[queryLen - 1]. */
  underWay: Int32Array = NO_DRAFTS;
  ended: EngineEnd | null = null;

  constructor({ id, ids, maxTokens, controls, stopTokenIds, sharePrefix = true, logprobs }: EngineArrival) {
    this.id = id;
    this.promptTokens = ids.length;
    this.maxTokens = maxTokens;
    this.controls = controls;
    this.sharePrefix = sharePrefix;
    this.logprobs = logprobs;
    this.#stops = new Set(stopTokenIds);
    this.#ids = ids;
    this.#length = ids.length;
  }

  /** Prompt and generated tokens: the first `length` entries. Replaced as it grows. */
  get ids(): Int32Array {
    return this.#ids;
  }

  get length(): number {
    return this.#length;
  }

  get generated(): number {
    return this.#length - this.promptTokens;
  }

  /** Takes a token that was sampled. Returns whether it is the last. */
  push(token: number): boolean {
    if (this.#length === this.#ids.length) {
      const grown = new Int32Array(Math.min(2 * this.#length, this.promptTokens + this.maxTokens));
      grown.set(this.#ids);
      this.#ids = grown;
    }
    this.#ids[this.#length++] = token;
    if (this.#stops.has(token)) this.ended = 'stop';
    else if (this.generated >= this.maxTokens) this.ended = 'length';
    return this.ended !== null;
  }

  /** Up to `count` drafts, found in its own text. */
  lookUp(count: number): Int32Array {
    this.#lookup ??= new PromptLookup();
    return this.#lookup.propose(this.#ids, this.#length, count);
  }

  /**
   * `count` drafts, or none, for after the token that the step under way samples last: its text is taken to go on as `lookUp` says, and so as many of that step's
   * drafts to be accepted as agree with it.
   */
  lookBeyond(count: number): Int32Array {
    this.#lookup ??= new PromptLookup();
    const drafts = this.underWay;
    const text = this.#lookup.proposeOn(this.#ids, this.#length, drafts.length + 1 + count);
    let accepted = 0;
    while (accepted < drafts.length && drafts[accepted] === text[accepted]) accepted++;
    return text.subarray(accepted + 1, accepted + 1 + count);
  }
}

const NO_DRAFTS = new Int32Array(0);
