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

/** The batch state in its plainest form: requests by row, and the step's chunks in the order they were scheduled. */
export class PlainBatch {
  readonly requests: Map<number, PlainRequest> = new Map();
  chunks: PlainChunk[] = [];

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

  remove(row: number): void {
    this.requests.delete(row);
    this.chunks = this.chunks.filter((chunk) => chunk.row !== row);
  }

  /** The step's chunks as the tensors hold them: decodes first, each kind in the order it was scheduled. */
  entries(): PlainEntry[] {
    const entries = this.chunks.map((chunk) => {
      const { numComputedTokens, blockIds, otherBlocks } = this.request(chunk.row);
      return { ...chunk, start: numComputedTokens, blockIds, otherBlocks };
    });
    return [
      ...entries.filter(({ phase }) => phase === 'decode'),
      ...entries.filter(({ phase }) => phase === 'prefill'),
    ];
  }
}
