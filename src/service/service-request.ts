import type { TextStream, TextTokenizer } from '../checkpoint/index.js';
import type { EngineArrival, EngineEnd } from './engine-request.js';
import type { CompleteGenerateOptions } from './generate-options.js';
import { StopStrings } from './stop-strings.js';
import type { TokenLogprobs } from './token-logprobs.js';
import type { TokenStream } from './token-stream.js';

/** Last tokens of a prompt that the text after it is decoded with: more than any character has bytes. */
const CONTEXT = 16;

/**
 * Where a choice stands: in the service's queue, on a rank, on its way from a rank because its reader does not read, without a
 * place for the same reason, or at its end.
 */
export type RequestState = 'queued' | 'sent' | 'leaving' | 'suspended' | 'ended';

/** One choice of a request, from the service's side: its tokens so far and the text they make. */
export class ServiceRequest {
  readonly client: string;
  readonly choice: number;
  readonly stream: TokenStream;
  readonly promptTokens: number;
  /** Choices of its stream that have not ended; all of them have the same object. */
  readonly left: { count: number };
  state: RequestState = 'queued';
  /** Its id and rank while ranks have it. */
  id = -1;
  rank = -1;
  /** Whether its reader has caught up while it was leaving its rank. */
  wanted = false;
  /** Milliseconds of `performance.now()`. */
  readonly arrived: number = performance.now();
  firstToken = 0;
  generated = 0;
  readonly #options: CompleteGenerateOptions;
  readonly #prompt: Int32Array;
  readonly #tokens: number[] = [];
  readonly #text: TextStream | null;
  readonly #stops: StopStrings;

  constructor(
    stream: TokenStream,
    prompt: Int32Array,
    options: CompleteGenerateOptions,
    place: { readonly choice: number; readonly left: { count: number }; readonly tokenizer: TextTokenizer | null },
  ) {
    this.stream = stream;
    this.client = options.client;
    this.choice = place.choice;
    this.left = place.left;
    this.promptTokens = prompt.length;
    this.#options = options;
    this.#prompt = prompt;
    this.#text = place.tokenizer?.stream() ?? null;
    // The text goes on after the prompt: its first token keeps a blank that it would lose at a text's beginning.
    for (const id of prompt.subarray(-CONTEXT)) this.#text?.push(id);
    this.#stops = new StopStrings(options.stops);
  }

  /** What a rank is sent: the prompt, and what was generated on a rank before. */
  arrival(id: number): EngineArrival {
    const { maxTokens, controls, stopTokenIds, sharePrefix, logprobs } = this.#options;
    const ids = new Int32Array(this.#prompt.length + this.#tokens.length);
    ids.set(this.#prompt);
    ids.set(this.#tokens, this.#prompt.length);
    const seed = BigInt.asUintN(64, controls.seed + BigInt(this.choice));
    return {
      id,
      ids,
      maxTokens: maxTokens - this.#tokens.length,
      controls: { ...controls, seed },
      stopTokenIds,
      sharePrefix,
      logprobs,
    };
  }

  /** Hands a token to the reader. Returns how the choice ends with it, or null; `stop` also where a stop string came. */
  give(token: number, end: EngineEnd | null, logprobs: TokenLogprobs | null = null): 'stop' | 'length' | null {
    const { choice, stream } = this;
    if (token < 0) return end === 'length' ? 'length' : null;
    this.#tokens.push(token);
    this.generated++;
    const likely = logprobs === null ? {} : { logprobs };
    let reason = end === 'cancelled' ? null : end;
    if (this.#text === null) {
      stream.push({ choice, token, ...likely, ...(reason === null ? {} : { finishReason: reason }) });
      return reason;
    }
    // The token that ends the text is no part of it.
    let { text, stopped } = this.#stops.push(reason === 'stop' ? '' : this.#text.push(token));
    if (reason !== null && !stopped) {
      const last = this.#stops.push(this.#text.end());
      text += last.text;
      stopped = last.stopped;
      if (!stopped) text += this.#stops.end();
    }
    if (stopped) reason = 'stop';
    stream.push({ choice, token, text, ...likely, ...(reason === null ? {} : { finishReason: reason }) });
    return reason;
  }
}
