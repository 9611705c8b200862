import type { Service, TokenStream } from '../service/index.js';
import { abortedError } from '../wait.js';
import type { GenerationRequest } from './generation-request.js';
import { type LikelyToken, likelyToken } from './logprobs.js';

/** What one token adds to a choice of an answer, or the end of one that may have none. */
export interface ChoicePiece {
  readonly index: number;
  readonly text: string;
  /** Null where the choice ends without one. */
  readonly token: number | null;
  readonly finishReason: 'stop' | 'length' | null;
  /** Null where they are not asked for. */
  readonly logprobs: LikelyToken | null;
}

/** A choice that is whole. */
export interface WholeChoice {
  readonly index: number;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly finishReason: 'stop' | 'length';
  /** Of each token; null where they are not asked for. */
  readonly logprobs: readonly LikelyToken[] | null;
}

/** Tokens that an answer took, as OpenAI's interface names them. */
export interface Usage {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens: number;
}

/** The choices of one request: of each prompt so many, numbered through. */
export class Choices {
  readonly request: GenerationRequest;
  readonly #service: Service;
  readonly #streams: readonly TokenStream[];
  readonly #signal: AbortSignal | null = null;
  #tokens = 0;

  /** Asks the service for every prompt; where it refuses one, none is served. An abort of `signal` cancels all of them. */
  constructor(service: Service, request: GenerationRequest, signal: AbortSignal) {
    this.#service = service;
    this.request = request;
    const streams: TokenStream[] = [];
    this.#streams = streams;
    try {
      for (const { ids } of request.prompts) streams.push(service.generate(ids, request.options));
    } catch (error) {
      this.#leave();
      throw error;
    }
    this.#signal = signal;
    if (signal.aborted) this.#leave();
    else signal.addEventListener('abort', () => this.#leave(), { once: true });
  }

  get count(): number {
    return this.request.prompts.length * this.request.n;
  }

  /** The prompt's text before a choice, where the request asks for it. */
  echo(index: number): string {
    return this.request.prompts[Math.floor(index / this.request.n)].echo;
  }

  get usage(): Usage {
    const prompt = this.request.prompts.reduce((sum, { ids }) => sum + ids.length, 0);
    return { prompt_tokens: prompt, completion_tokens: this.#tokens, total_tokens: prompt + this.#tokens };
  }

  /** Gives every piece to `take`, in order within a choice. The next of a prompt's is read once `take` has settled. */
  async each(take: (piece: ChoicePiece) => Promise<void> | void): Promise<void> {
    const begun = new Set<number>();
    const read = async (stream: TokenStream, prompt: number): Promise<void> => {
      const offsets = new Map<number, number>();
      for await (const { choice, token, text = '', finishReason = null, logprobs } of stream) {
        this.#tokens++;
        const index = prompt * this.request.n + choice;
        begun.add(index);
        const offset = offsets.get(index) ?? 0;
        offsets.set(index, offset + text.length);
        const likely = logprobs === undefined ? null : likelyToken(this.#service.tokenizer, token, logprobs, offset);
        await take({ index, text, token, finishReason, logprobs: likely });
      }
    };
    try {
      await Promise.all(this.#streams.map(read));
    } catch (error) {
      // One that fails ends the answer.
      this.#leave();
      throw error;
    }
    if (this.#signal?.aborted === true) throw abortedError(this.#signal, 'because the client has left');
    for (let index = 0; index < this.count; index++) {
      if (!begun.has(index)) await take({ index, text: '', token: null, finishReason: 'length', logprobs: null });
    }
  }

  async whole(): Promise<WholeChoice[]> {
    const choices = Array.from({ length: this.count }, (_, index) => ({
      index,
      text: this.echo(index),
      tokenIds: [] as number[],
      finishReason: 'length' as 'stop' | 'length',
      logprobs: this.request.options.logprobs === undefined ? null : ([] as LikelyToken[]),
    }));
    await this.each(({ index, text, token, finishReason, logprobs }) => {
      const choice = choices[index];
      choice.text += text;
      if (token !== null) choice.tokenIds.push(token);
      if (logprobs !== null) choice.logprobs?.push(logprobs);
      choice.finishReason = finishReason ?? choice.finishReason;
    });
    return choices;
  }

  #leave(): void {
    for (const stream of this.#streams) void stream.return();
  }
}
