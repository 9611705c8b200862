import { type Chunk, type RequestTable, rejectedDraftId, tokenId } from '../workload/index.js';
import type { ReferenceTokens } from './reference-tokens.js';
import type { RunLedger } from './run-ledger.js';

/** What a ledger of a model's run knows beforehand. */
export interface ModelLedgerOptions {
  readonly vocabSize: number;
  /** The number of a request in the workload. Default: its own. */
  readonly original?: (request: number) => number;
  /** What the requests will generate, of which decodes of several tokens propose drafts. Default: there are no drafts. */
  readonly reference?: ReferenceTokens;
}

/**
 * The token ids of a model's run: prompts follow from the workload, as those of a run without a model do, within the vocabulary; what
 * follows is what the model sampled. Preempted requests keep theirs.
 */
export class ModelLedger implements RunLedger {
  readonly #table: RequestTable;
  readonly #vocabSize: number;
  readonly #original: (request: number) => number;
  readonly #reference: ReferenceTokens | undefined;
  readonly #histories = new Map<number, Int32Array>();

  /** `table` is the whole workload, whatever part of it is served. */
  constructor(table: RequestTable, { vocabSize, original = (request) => request, reference }: ModelLedgerOptions) {
    this.#table = table;
    this.#vocabSize = vocabSize;
    this.#original = original;
    this.#reference = reference;
  }

  add(request: number): void {
    if (this.#histories.has(request)) return;
    const original = this.#original(request);
    const ids = new Int32Array(this.promptTokens(request) + this.#table.outputTokens[original]);
    for (let position = 0; position < this.promptTokens(request); position++) {
      ids[position] = tokenId(this.#table, original, position) % this.#vocabSize;
    }
    this.#histories.set(request, ids);
  }

  /** A request that leaves may be back: it was preempted. */
  remove(): void {}

  /** Puts a decode's drafts where its tokens will be: those that will be accepted are the reference's, the others any but those. */
  write({ request, phase, start, queryLen, advance }: Chunk, step: number): void {
    if (phase === 'prefill' || queryLen === 1 || this.#reference === undefined) return;
    const ids = this.history(request);
    for (let index = 1; index < queryLen; index++) {
      const position = start + index;
      const truth = this.#reference.tokenAt(request, position - this.promptTokens(request));
      const other = 1 + (rejectedDraftId(this.#table, request, position, step) % Math.max(1, this.#vocabSize - 1));
      ids[position] = index < advance ? truth : (truth + other) % this.#vocabSize;
    }
  }

  history(request: number): Int32Array {
    const ids = this.#histories.get(request);
    if (ids === undefined) throw new RangeError(`request ${request} is not in the ledger`);
    return ids;
  }

  promptTokens(request: number): number {
    return this.#table.inputTokens[this.#original(request)];
  }

  /** The token at a position, as the model sampled it; one past the request's last is dropped. */
  sampled(request: number, position: number, token: number): void {
    const ids = this.history(request);
    if (position < ids.length) ids[position] = token;
  }
}
