import type { TokenLogprobs } from './token-logprobs.js';

/** A token of a request as its reader gets it. */
export interface GeneratedToken {
  /** Which of the `n` choices. */
  readonly choice: number;
  /** Its id. */
  readonly token: number;
  /**
   * What the token adds to the text, where the service has a tokenizer: empty while a character or a possible stop string is
   * not complete, and for the token that ends it.
   */
  readonly text?: string;
  /** How likely it was, where the request asks for it. */
  readonly logprobs?: TokenLogprobs;
  /** With the choice's last token: `stop` at a stop token or a stop string, `length` at `maxTokens`. */
  readonly finishReason?: 'stop' | 'length';
}

/** What the owner of a stream does when its reader falls behind, comes back, or goes. */
export interface StreamOwner {
  /** More is waiting than the reader may leave unread. */
  onBehind(): void;
  /** The reader has read what was waiting. */
  onRead(): void;
  /** The reader needs no more. */
  onClosed(): void;
}

/** Tokens on their way to one reader. What waits is bounded: the owner learns when to stop, and when to go on. */
export class TokenStream implements AsyncIterableIterator<GeneratedToken> {
  readonly #owner: StreamOwner;
  readonly #mostUnread: number;
  #unread: GeneratedToken[] = [];
  /** Tokens of `#unread` that were read. */
  #read = 0;
  #ended = false;
  #error: unknown = null;
  #wake: (() => void) | null = null;

  constructor(owner: StreamOwner, mostUnread: number) {
    this.#owner = owner;
    this.#mostUnread = mostUnread;
  }

  /** Tokens that wait for the reader. */
  get unread(): number {
    return this.#unread.length - this.#read;
  }

  /** Adds a token for the reader; after `end` it does nothing. */
  push(token: GeneratedToken): void {
    if (this.#ended) return;
    this.#unread.push(token);
    this.#rouse();
    if (this.unread > this.#mostUnread) this.#owner.onBehind();
  }

  /** Nothing follows what waits; `error` is thrown to the reader after it. The first call counts. */
  end(error: unknown = null): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#rouse();
  }

  /** The next token, once there is one. Throws what the request ended with, such as `ERR_RANK_LOST`, once. */
  async next(): Promise<IteratorResult<GeneratedToken, undefined>> {
    for (;;) {
      if (this.#read < this.#unread.length) {
        const value = this.#unread[this.#read++];
        if (this.#read === this.#unread.length) {
          this.#unread = [];
          this.#read = 0;
          if (!this.#ended) this.#owner.onRead();
        }
        return { done: false, value };
      }
      if (this.#ended) {
        this.#owner.onClosed();
        const error = this.#error;
        this.#error = null;
        if (error !== null) throw error;
        return { done: true, value: undefined };
      }
      await new Promise<void>((resolve) => {
        const before = this.#wake;
        this.#wake = () => {
          before?.();
          resolve();
        };
      });
    }
  }

  /** The reader stops: `break` in a loop does it. The request is cancelled. */
  return(): Promise<IteratorResult<GeneratedToken, undefined>> {
    this.#unread = [];
    this.#read = 0;
    this.#error = null;
    this.end();
    this.#owner.onClosed();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** The stream itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  #rouse(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
