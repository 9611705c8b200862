import type { TextTokenizer } from '../checkpoint/index.js';
import { LockstepError } from '../errors.js';
import { abortedError } from '../wait.js';
import { type EncoderThread, LONG_TEXT } from './encoder-thread.js';
import { mostTokens } from './engine-request.js';
import { FairQueue } from './fair-queue.js';
import { completeGenerateOptions, type GenerateOptions } from './generate-options.js';
import { leastLoaded } from './least-loaded.js';
import { openRequest, type RequestOwner } from './open-request.js';
import { noTokenizer, type PromptReader, promptIds, readerOf } from './prompt-ids.js';
import { RankLives } from './rank-lives.js';
import { ENDS, MAX_REQUEST } from './rank-messages.js';
import { ServiceCounts } from './service-counts.js';
import { drainingError, noLogits, overloadedError } from './service-errors.js';
import type { CompleteServiceOptions } from './service-options.js';
import type { ServiceRequest } from './service-request.js';
import type { RequestOutcome, ServiceEvent, ServiceState, ServiceStats } from './service-stats.js';
import type { TokenLogprobs } from './token-logprobs.js';
import type { TokenStream } from './token-stream.js';

/** Requests that may wait on a rank; the others wait in the service's queue, where clients alternate. */
const MOST_WAITING = 64;

/** What makes ids of texts: the tokenizer, and the thread for long ones. */
type ServiceEncoders = readonly [tokenizer: TextTokenizer | null, encoder: EncoderThread | null];

/** Serves a model: requests go to ranks, and their tokens come back as they are made. `createService` makes one. */
export class Service implements AsyncDisposable {
  /** The options of `createService`, defaults filled in, and what is known of the model. */
  readonly options: CompleteServiceOptions;
  /** Null where prompts are token ids and no text is made. */
  readonly tokenizer: TextTokenizer | null;
  readonly #queue = new FairQueue<ServiceRequest>();
  /** Every choice that has not ended, and by its id those that ranks have. */
  readonly #open = new Set<ServiceRequest>();
  readonly #sent = new Map<number, ServiceRequest>();
  /** Streams whose reader has not come to the end. */
  #streams = 0;
  readonly #counts = new ServiceCounts();
  readonly #reader: PromptReader;
  /** Null where texts are encoded on the caller's thread, however long they are. */
  readonly #encoder: EncoderThread | null;
  readonly #ranks: RankLives;
  readonly #owner: RequestOwner = {
    suspend: (request) => this.#suspend(request),
    resume: (request) => this.#resume(request),
    cancel: (request) => this.#cancel(request),
    closed: () => void this.#streams--,
  };
  #state: ServiceState = 'ready';
  #failure: LockstepError | null = null;
  #nextId = 0;
  #suspended = 0;
  #idle: (() => void)[] = [];

  private constructor(options: CompleteServiceOptions, tokenizer: TextTokenizer | null, encoder: EncoderThread | null) {
    this.options = options;
    this.tokenizer = tokenizer;
    this.#encoder = encoder;
    const { vocabSize } = options.model;
    this.#reader = { tokenizer, vocabSize, most: mostTokens(options.setup.limits) };
    this.#ranks = new RankLives(options, {
      onTokens: (...said) => this.#hear(...said),
      onLost: (error, last) => this.#lost(error, last),
      onReady: () => {
        if (this.#state === 'restarting') this.#become('ready');
        this.#dispatch();
      },
    });
  }

  /** Starts the ranks and waits until all can serve. */
  static async start(options: CompleteServiceOptions, ...encoders: ServiceEncoders): Promise<Service> {
    const service = new Service(options, ...encoders);
    await service.#ranks.begun();
    return service;
  }

  /** The model's name, as clients see it. */
  get model(): string {
    return this.options.model.name;
  }

  /** Choices that can be open at a time: `maxQueue + ranks * maxNumSeqs`. */
  get places(): number {
    const { maxQueue, ranks, setup } = this.options;
    return maxQueue + ranks * setup.limits.maxNumSeqs;
  }

  /** KV blocks of each rank, the null block included: what `limits` say, or with `'auto'` what the ranks agreed on when they started last. */
  get numBlocks(): number {
    return this.#ranks.numBlocks;
  }

  /** Whether requests are taken. */
  get state(): ServiceState {
    return this.#state;
  }

  /**
   * Generates from a prompt, text or token ids, and gives each token as it is made. A reader that stops reading holds up its own
   * request only. Leaving the loop cancels the request.
   *
   * Throws at once: `ERR_CONFIG_INVALID` (options), `ERR_INPUT_INVALID` (the prompt), `ERR_BATCH_LIMIT` (too long), `ERR_MODEL_INVALID` (a tokenizer of another model),
   * `ERR_OVERLOADED` with `details.retryAfterMs`, `ERR_DRAINING`, `ERR_DISPOSED`, `ERR_RANK_LOST` once the service has failed. The
   * iterator throws `ERR_ABORTED` for an aborted signal, and `ERR_RANK_LOST` where a rank is lost that has the request.
   */
  generate(prompt: string | ArrayLike<number>, given: GenerateOptions = {}): TokenStream {
    this.#refuseUnlessOpen();
    const { maxUnread, setup, model } = this.options;
    const ids = this.encode(prompt);
    const { limits } = setup;
    const options = completeGenerateOptions(given, {
      promptTokens: ids.length,
      limits,
      eosTokenIds: model.eosTokenIds,
      places: this.places,
    });
    const { signal, n } = options;
    if (options.stops.length > 0 && this.tokenizer === null) throw noTokenizer('stop');
    if (options.logprobs !== undefined && model.config === null) throw noLogits(model.name);
    if (signal?.aborted === true) throw abortedError(signal, 'before the request began');
    if (this.#isFull(n)) throw this.#overloaded();
    const { stream, choices } = openRequest(ids, options, {
      tokenizer: this.tokenizer,
      maxUnread,
      owner: this.#owner,
    });
    this.#streams++;
    for (const request of choices) {
      this.#open.add(request);
      this.#queue.add(request);
    }
    this.#dispatch();
    return stream;
  }

  /** Calls `observer` with what happens, until the function it returns is called. */
  observe(observer: (event: ServiceEvent) => void): () => void {
    return this.#counts.observe(observer);
  }

  /** What the service does and has done, by value. What ranks count is at most a quarter of a second old. */
  stats(): ServiceStats {
    const { loads, restarts } = this.#ranks;
    const { ended, promptTokens, generatedTokens } = this.#counts;
    return {
      state: this.#state,
      encoding: this.#encoder?.length ?? 0,
      queued: this.#queue.length,
      waiting: loads.reduce((sum, { waiting }) => sum + waiting, 0),
      running: loads.reduce((sum, { running }) => sum + running, 0),
      suspended: this.#suspended,
      ended: { ...ended },
      promptTokens,
      generatedTokens,
      restarts,
      ranks: this.#ranks.stats(),
    };
  }

  /** Takes no new requests, and resolves when all that were accepted have ended. Readers read on meanwhile. A text under `encodeAsync` is refused. */
  async drain(): Promise<void> {
    if (this.#state === 'ready' || this.#state === 'restarting') this.#become('draining');
    this.#encoder?.refuse(drainingError());
    if (this.#open.size > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** Ends every request with `ERR_DISPOSED`, and the ranks. Called again, it waits for the same end. */
  async close(): Promise<void> {
    if (this.#state !== 'failed') this.#become('closed');
    const error = new LockstepError('ERR_DISPOSED', 'The service was closed while the request was served.');
    for (const request of [...this.#open]) {
      request.stream.end(error);
      this.#cancel(request);
    }
    await Promise.all([this.#ranks.leave(), this.#encoder?.close(error)]);
  }

  /** The same as `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  // Requests.

  /**
   * The token ids of a prompt. `special`: whether a text is given the special tokens around it; default true. Errors:
   * `ERR_INPUT_INVALID`, `ERR_BATCH_LIMIT` (too long a text, before it is encoded), `ERR_MODEL_INVALID` (a tokenizer of another model).
   */
  encode(prompt: string | ArrayLike<number>, { special = true }: { readonly special?: boolean } = {}): Int32Array {
    return promptIds(prompt, this.#reader, special);
  }

  /**
   * `encode` that leaves the caller's thread free: a text above 4096 characters is encoded on a thread of the service, if the tokenizer is
   * the model's own. `client`: texts of different ones alternate. Errors: those of `encode`; `ERR_OVERLOADED` and `ERR_DRAINING` as `generate`,
   * before a long text is encoded; `ERR_ABORTED`; `ERR_ENCODER_LOST` where the thread ends meanwhile, which the next text starts anew.
   */
  async encodeAsync(
    prompt: string | ArrayLike<number>,
    options: { readonly special?: boolean; readonly client?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Int32Array> {
    const { special = true, client = '', signal } = options;
    const encoder = this.#encoder;
    if (encoder === null || typeof prompt !== 'string' || prompt.length <= LONG_TEXT) {
      return this.encode(prompt, { special });
    }
    this.#refuseUnlessOpen();
    readerOf(prompt, this.#reader);
    if (this.#isFull(1) || !encoder.hasRoom(prompt.length)) throw this.#overloaded();
    return await encoder.encode(prompt, { special, client, signal });
  }

  /** Whether `n` more choices would be too many. */
  #isFull(n: number): boolean {
    const { places } = this;
    const { maxQueue, ranks, setup } = this.options;
    // Ranks have places for those, though they may not have heard of the last ones yet.
    const fits = this.#open.size + n <= ranks * setup.limits.maxNumSeqs;
    const full =
      !fits && (this.#queue.length > 0 || leastLoaded(this.#ranks.loads, (rank) => this.#hasPlace(rank)) < 0);
    return (full && this.#queue.length + n > maxQueue) || this.#open.size + n > places || this.#streams >= places;
  }

  /** Sends what waits to the ranks that have a place. */
  #dispatch(): void {
    while (this.#queue.length > 0 && this.#isServing) {
      const rank = leastLoaded(this.#ranks.loads, (each) => this.#hasPlace(each));
      if (rank < 0) return;
      const request = this.#queue.take() as ServiceRequest;
      request.id = this.#nextId = this.#nextId === MAX_REQUEST ? 0 : this.#nextId + 1;
      request.rank = rank;
      request.state = 'sent';
      this.#sent.set(request.id, request);
      this.#ranks.send(rank, { kind: 'arrive', request: request.arrival(request.id) });
    }
  }

  /** A request that is sent to a rank may be served. */
  get #isServing(): boolean {
    return this.#ranks.ready && (this.#state === 'ready' || this.#state === 'draining');
  }

  #hasPlace(rank: number): boolean {
    const { running, waiting } = this.#ranks.loads[rank];
    return waiting < MOST_WAITING && running + waiting < this.options.setup.limits.maxNumSeqs;
  }

  #hear(tokens: Int32Array, logprobs?: readonly (TokenLogprobs | null)[]): void {
    for (let at = 0; at < tokens.length; at += 3) {
      const request = this.#sent.get(tokens[at]);
      if (request === undefined) continue;
      const end = ENDS[tokens[at + 2]];
      const token = tokens[at + 1];
      if (token >= 0) this.#counts.token(request);
      const reason = request.give(token, end, logprobs?.[at / 3] ?? null);
      if (reason !== null) {
        if (end === null) this.#ranks.send(request.rank, { kind: 'cancel', id: request.id });
        this.#end(request, reason);
      } else if (end === 'cancelled') this.#left(request);
    }
    this.#dispatch();
  }

  /** Its reader is behind: it gives up its place. What it generated so far is part of its prompt when it comes back. */
  #suspend(request: ServiceRequest): void {
    request.wanted = false;
    if (request.state === 'sent') {
      request.state = 'leaving';
      this.#ranks.send(request.rank, { kind: 'cancel', id: request.id });
    } else if (request.state === 'queued') {
      this.#queue.remove(request);
      request.state = 'suspended';
      this.#suspended++;
    }
  }

  /** A rank has let go of a request whose reader was behind. */
  #left(request: ServiceRequest): void {
    this.#sent.delete(request.id);
    request.state = 'suspended';
    this.#suspended++;
    if (request.wanted) this.#resume(request);
  }

  #resume(request: ServiceRequest): void {
    request.wanted = true;
    if (request.state !== 'suspended') return;
    this.#suspended--;
    request.state = 'queued';
    this.#queue.add(request);
    this.#dispatch();
  }

  #cancel(request: ServiceRequest): void {
    if (request.state === 'ended') return;
    if (request.state === 'sent') this.#ranks.send(request.rank, { kind: 'cancel', id: request.id });
    this.#end(request, 'abort');
    this.#dispatch();
  }

  #end(request: ServiceRequest, outcome: RequestOutcome): void {
    if (request.state === 'suspended') this.#suspended--;
    this.#queue.remove(request);
    this.#sent.delete(request.id);
    this.#open.delete(request);
    request.state = 'ended';
    this.#counts.end(request, outcome);
    if (--request.left.count === 0) request.stream.end();
    if (this.#open.size > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #become(state: ServiceState, error: LockstepError | null = null): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#counts.tell({ kind: 'state', state, error });
  }

  #overloaded(): LockstepError {
    const { retryAfterMs } = this.#counts;
    const { maxQueue } = this.options;
    const encoding = this.#encoder?.length ?? 0;
    return overloadedError({ open: this.#open.size, queued: this.#queue.length, encoding, maxQueue, retryAfterMs });
  }

  #refuseUnlessOpen(): void {
    if (this.#state === 'draining') throw drainingError();
    if (this.#state === 'closed') throw new LockstepError('ERR_DISPOSED', 'The service has been closed.');
    if (this.#state === 'failed') throw this.#failure as LockstepError;
  }

  // Ranks.

  /** A rank was lost: the requests of ranks end, the others wait for the next group, if there is one. */
  #lost(error: LockstepError, last: boolean): void {
    for (const request of [...this.#sent.values()]) this.#fail(request, error);
    if (last) {
      this.#failure = error;
      this.#become('failed', error);
      for (const request of [...this.#open]) this.#fail(request, error);
    } else if (this.#state === 'ready') this.#become('restarting', error);
  }

  #fail(request: ServiceRequest, error: LockstepError): void {
    request.stream.end(error);
    this.#end(request, 'error');
  }
}
