/** A request as a block manager would keep it. */
export interface PlainRequest {
  readonly blockIds: number[];
  /** Blocks of each KV cache group after the first. */
  readonly otherBlocks: number[][];
  numComputedTokens: number;
}

/** What of a request runs in a step. */
export interface PlainChunk {
  readonly row: number;
  readonly phase: 'decode' | 'prefill';
  readonly queryLen: number;
  readonly lastChunk: boolean;
  readonly inputIds: readonly number[] | undefined;
}

/** A chunk with all that its tensors come from. */
export interface PlainEntry extends PlainChunk {
  readonly start: number;
  readonly blockIds: readonly number[];
  readonly otherBlocks: readonly (readonly number[])[];
}

/** The batch state in its plainest form: requests by row, and the step's chunks. */
export class PlainBatch {
  readonly requests: Map<number, PlainRequest> = new Map();
  /** Decodes by their place in the tensors; undefined where one was removed and no other has its place yet. */
  #places: (PlainChunk | undefined)[] = [];
  /** Those empty places, the one freed last at the end. */
  #freed: number[] = [];
  /** The places are those of the last step's decodes, which may be continued, and not of this step's. */
  #continuing = false;
  #prefills: PlainChunk[] = [];

  /** What runs in this step. */
  get chunks(): PlainChunk[] {
    return [...(this.#continuing ? [] : this.#decodes), ...this.#prefills];
  }

  /** The last step's decodes that may be continued. */
  get last(): PlainChunk[] {
    return this.#continuing ? this.#decodes : [];
  }

  get tokens(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.queryLen, 0);
  }

  request(row: number): PlainRequest {
    const request = this.requests.get(row);
    if (request === undefined) throw new Error(`the oracle has no row ${row}`);
    return request;
  }

  isScheduled(row: number): boolean {
    return this.chunks.some((chunk) => chunk.row === row);
  }

  /** A decode takes the place freed last, or the next one. */
  schedule(chunk: PlainChunk): void {
    if (chunk.phase === 'prefill') {
      this.endContinuing(chunk.row);
      this.#prefills.push(chunk);
      return;
    }
    if (this.#continuing) this.#clear();
    this.#places[this.#freed.pop() ?? this.#places.length] = chunk;
  }

  /** The last step's decodes run in this one too, each in its place. */
  continueDecodes(): void {
    this.#continuing = false;
    this.#places = this.#places.map((chunk) => chunk && { ...chunk, inputIds: undefined });
  }

  /** Where `row` is a decode of the last step, none of them is continued. */
  endContinuing(row: number): void {
    if (this.last.some((chunk) => chunk.row === row)) this.#clear();
  }

  remove(row: number): void {
    this.requests.delete(row);
    this.#prefills = this.#prefills.filter((chunk) => chunk.row !== row);
    const place = this.#places.findIndex((chunk) => chunk?.row === row);
    if (place < 0) return;
    this.#places[place] = undefined;
    this.#freed.push(place);
    if (this.#decodes.length === 0) this.#clear();
  }

  /** Ends a step; where it was `built`, its decodes may be continued. */
  endStep(built: boolean): void {
    if (this.#continuing || !built) this.#clear();
    this.#continuing = this.#decodes.length > 0;
    this.#prefills = [];
  }

  /** The step's chunks as the tensors hold them: decodes in their places, then prefills in the order they were scheduled. */
  entries(): PlainEntry[] {
    if (!this.#continuing) this.#closeGaps();
    return this.chunks.map((chunk) => {
      const { numComputedTokens, blockIds, otherBlocks } = this.request(chunk.row);
      return { ...chunk, start: numComputedTokens, blockIds, otherBlocks };
    });
  }

  get #decodes(): PlainChunk[] {
    return this.#places.filter((chunk) => chunk !== undefined);
  }

  /** The last decodes move into the empty places, the one freed last first. */
  #closeGaps(): void {
    for (let place = this.#freed.pop(); place !== undefined; place = this.#freed.pop()) {
      while (this.#places.length > 0 && this.#places.at(-1) === undefined) this.#places.pop();
      if (place < this.#places.length) this.#places[place] = this.#places.pop();
    }
  }

  #clear(): void {
    this.#places = [];
    this.#freed = [];
    this.#continuing = false;
  }
}
