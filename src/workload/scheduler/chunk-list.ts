import type { Chunk } from './step-schedule.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** The chunks of one rank's step. Every step uses the same objects. */
export class ChunkList {
  /** Read it after `end`. */
  readonly chunks: Writable<Chunk>[] = [];
  /** Tokens of the chunks so far. */
  tokens = 0;
  /** Sum of their sequence lengths, in tokens. */
  kvTokens = 0;
  #count = 0;
  /** Objects that larger steps used. */
  readonly #spare: Writable<Chunk>[] = [];

  begin(): void {
    this.tokens = 0;
    this.kvTokens = 0;
    this.#count = 0;
  }

  push(
    request: number,
    phase: Chunk['phase'],
    start: number,
    queryLen: number,
    lastChunk: boolean,
    advance: number,
  ): void {
    const chunk = this.chunks[this.#count++] ?? this.#add();
    chunk.request = request;
    chunk.phase = phase;
    chunk.start = start;
    chunk.queryLen = queryLen;
    chunk.lastChunk = lastChunk;
    chunk.advance = advance;
    this.tokens += queryLen;
    this.kvTokens += start + queryLen;
  }

  /** Drops what a step before had more. */
  end(): void {
    while (this.chunks.length > this.#count) this.#spare.push(this.chunks.pop() as Writable<Chunk>);
  }

  #add(): Writable<Chunk> {
    const chunk = this.#spare.pop() ?? {
      request: 0,
      phase: 'decode',
      start: 0,
      queryLen: 0,
      lastChunk: false,
      advance: 0,
    };
    this.chunks.push(chunk);
    return chunk;
  }
}
