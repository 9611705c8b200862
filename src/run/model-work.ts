import type { ForwardBatch, Row } from '../batch/index.js';
import type {
  AheadSampling,
  ContinuedRow,
  Decoder,
  SampledStep,
  SampledWindow,
  SamplingControls,
  SamplingRow,
} from '../decoder/index.js';
import { fnv1a } from '../numbers.js';
import { type Chunk, hash32, type RankSchedule } from '../workload/index.js';
import { SAMPLED_SHARE, type VerifyMode } from './kv-verifier.js';
import type { ModelLedger } from './model-ledger.js';
import type { ReferenceTokens } from './reference-tokens.js';
import type { Mismatch, RunWork } from './run-work.js';

const MAX_RECORDED = 8;

/** How a model's run is verified; without a reference it is not: it makes one. */
export interface ModelWorkOptions {
  readonly mode: VerifyMode;
  readonly seed: number;
  readonly timeoutMs: number;
  readonly reference: ReferenceTokens | null;
  /** How a request of the table draws its tokens. */
  readonly controlsOf: (request: number) => SamplingControls;
}

/** One token that a request has sampled for good. */
export interface SampledToken {
  readonly request: number;
  readonly position: number;
  readonly token: number;
  /** `logitsHash` of the row that it was drawn from; null where the step's logits were not read back. */
  readonly logits: number | null;
}

/**
 * A model's steps: draws the tokens of each, gives them to the ledger, and holds them and the bits of their logits against the reference.
 */
export class ModelWork implements RunWork {
  compared = 0;
  mismatches = 0;
  readonly first: Mismatch[] = [];
  /** Drafts of decodes that the model took, and those that it did not. */
  acceptedDrafts = 0;
  rejectedDrafts = 0;
  /** Those of them whose requests draw their tokens at a temperature above 0. */
  sampledAcceptedDrafts = 0;
  sampledRejectedDrafts = 0;
  readonly #decoder: Decoder;
  readonly #ledger: ModelLedger;
  readonly #options: ModelWorkOptions;
  readonly #onToken: (token: SampledToken) => void;
  /** Requests that the step launched last samples, with their windows and the positions after them. */
  readonly #drawn = new Map<number, Pick<ContinuedRow, 'window' | 'position'>>();
  #continuedRows: ContinuedRow[] = [];
  readonly launch: RunWork['launch'];

  /** `onToken` gets each token. */
  constructor(
    decoder: Decoder,
    ledger: ModelLedger,
    options: ModelWorkOptions,
    onToken: (token: SampledToken) => void = () => {},
  ) {
    this.#decoder = decoder;
    this.#ledger = ledger;
    this.#options = options;
    this.#onToken = onToken;
    const { ahead } = decoder;
    this.launch = ahead === undefined ? null : (...step) => this.#launch(ahead, ...step);
  }

  check({ scheduled }: RankSchedule, local: ForwardBatch, step: number): void {
    const { timeoutMs } = this.#options;
    const chunks = scheduled.filter(({ lastChunk }) => lastChunk);
    if (chunks.length === 0) return;
    const ids = this.#decoder.sampleSync(local, this.#rowsOf(chunks), { timeoutMs });
    const logits = this.#readsLogits(step) ? this.#decoder.logitsSync(local, { timeoutMs }) : null;
    const accepted = windowsOf(chunks, this.#ledger).map((window) => acceptedOf(window, ids));
    this.#judge(chunks, { ids, accepted: Int32Array.from(accepted), logits }, step);
  }

  /** A step whose tokens stay on the device: what is enqueued now is read once the next one is launched. */
  #launch(ahead: AheadSampling, { scheduled }: RankSchedule, local: ForwardBatch, step: number): () => void {
    // The scheduler writes the next step over this one.
    const chunks = scheduled.filter(({ lastChunk }) => lastChunk).map((chunk) => ({ ...chunk }));
    const windows = windowsOf(chunks, this.#ledger);
    const rows = this.#rowsOf(chunks);
    const drawn = ahead.draw(local, rows, windows, { logits: this.#readsLogits(step) });
    this.#drawn.clear();
    for (const [window, { request, phase, start, queryLen }] of chunks.entries()) {
      this.#drawn.set(request, { window, position: phase === 'decode' ? start + 1 : start + queryLen });
    }
    const { timeoutMs } = this.#options;
    return () => this.#judge(chunks, drawn.readSync({ timeoutMs }), step);
  }

  /** Whether the device fills a decode's inputs: the step before sampled its first token, which the host has not seen. */
  readonly fills = (chunk: Chunk, row: Row): boolean => {
    const continued = this.#continued(chunk, row);
    if (continued !== null) this.#continuedRows.push(continued);
    return continued !== null;
  };

  /** Before a step is launched, and after its ids are supplied. */
  continueRows(): void {
    this.#decoder.ahead?.continueWith(this.#continuedRows);
    this.#continuedRows = [];
  }

  #continued({ request, phase, start, queryLen }: Chunk, row: Row): ContinuedRow | null {
    const drawn = phase === 'decode' ? this.#drawn.get(request) : undefined;
    if (drawn === undefined) return null;
    return { row, ...drawn, drafts: this.#ledger.history(request).slice(start + 1, start + queryLen) };
  }

  /**
   * What is sampled of chunks, a row of logits each: of a decode all of its tokens. One that goes on with the step launched last begins where that said if it
   * took no draft: the device knows how many it did.
   */
  #rowsOf(chunks: readonly Chunk[]): SamplingRow[] {
    return chunks.flatMap(({ request, phase, start, queryLen }) => {
      const controls = this.#options.controlsOf(request);
      if (phase === 'prefill') return [{ controls, position: start + queryLen }];
      const first = this.#drawn.get(request)?.position ?? start;
      return Array.from({ length: queryLen }, (_, row) => ({ controls, position: first + row + 1 }));
    });
  }

  /** Notes what the chunks of a step sampled, in the order of their rows of logits, and what of it is wrong. */
  #judge(chunks: readonly Chunk[], { ids, accepted, logits }: SampledStep, step: number): void {
    const vocabSize = logits === null ? 0 : logits.length / ids.length;
    const words = logits === null ? null : new Int32Array(logits.buffer);
    let at = 0;
    for (const [window, chunk] of chunks.entries()) {
      if (chunk.phase === 'decode') this.#countDrafts(chunk, accepted[window], step);
      const count = chunk.phase === 'decode' ? chunk.advance : 1;
      const first = chunk.phase === 'decode' ? chunk.start + 1 : chunk.start + chunk.queryLen;
      for (let index = 0; index < count; index++) {
        const row = at + index;
        const hash = words === null ? null : logitsHash(words.subarray(row * vocabSize, (row + 1) * vocabSize));
        this.#take({ request: chunk.request, position: first + index, token: ids[row], logits: hash }, step);
      }
      at += chunk.phase === 'decode' ? chunk.queryLen : 1;
    }
  }

  /** The scheduler has planned how many drafts are accepted; the model must say the same. */
  #countDrafts({ request, start, queryLen, advance }: Chunk, accepted: number, step: number): void {
    const rejected = queryLen - 1 - accepted;
    this.acceptedDrafts += accepted;
    this.rejectedDrafts += rejected;
    if (this.#options.controlsOf(request).temperature > 0) {
      this.sampledAcceptedDrafts += accepted;
      this.sampledRejectedDrafts += rejected;
    }
    if (accepted === advance - 1) return;
    this.#wrong({
      step,
      request,
      position: start + 1,
      expected: advance - 1,
      found: accepted,
      what: 'accepted drafts',
    });
  }

  #take(taken: SampledToken, step: number): void {
    const { request, position, token, logits } = taken;
    this.#ledger.sampled(request, position, token);
    this.#onToken(taken);
    const { reference } = this.#options;
    const output = position - this.#ledger.promptTokens(request);
    if (reference === null || !reference.has(request, output)) return;
    this.compared += 1;
    const expected = reference.tokenAt(request, output);
    const expectedLogits = reference.logitsAt(request, output);
    const wrongLogits = logits !== null && logits !== expectedLogits;
    if (token === expected && !wrongLogits) return;
    if (token !== expected) this.#wrong({ step, request, position, expected, found: token, what: 'token' });
    else this.#wrong({ step, request, position, expected: expectedLogits, found: logits as number, what: 'logits' });
  }

  #wrong(mismatch: Mismatch): void {
    this.mismatches += 1;
    if (this.first.length < MAX_RECORDED) this.first.push(mismatch);
  }

  /** A reference has all logits; without one a run reads them in a seeded share of its steps unless it is to read all. */
  #readsLogits(step: number): boolean {
    const { mode, seed, reference } = this.#options;
    return reference === null || mode === 'full' || hash32(seed, step, 0) % SAMPLED_SHARE === 0;
  }
}

/** Their rows, and the drafts between them. */
function windowsOf(chunks: readonly Chunk[], ledger: ModelLedger): SampledWindow[] {
  let first = 0;
  return chunks.map(({ request, phase, start, queryLen }) => {
    const length = phase === 'decode' ? queryLen : 1;
    const drafts = ledger.history(request).slice(start + queryLen - length + 1, start + queryLen);
    first += length;
    return { first: first - length, length, drafts };
  });
}

/** Drafts of a decode that equal what was drawn before them, up to the first that does not. */
function acceptedOf({ first, length, drafts }: SampledWindow, sampled: Int32Array): number {
  let accepted = 0;
  while (accepted < length - 1 && drafts[accepted] === sampled[first + accepted]) accepted++;
  return accepted;
}

/** A hash of one row of logits, by its bits. */
function logitsHash(words: Int32Array): number {
  return fnv1a(words);
}
