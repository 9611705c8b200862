/// <reference lib="esnext.disposable" preserve="true" />
import { checkArguments, Faults } from '../checks.js';
import { completeLimits, type Limits } from '../config.js';
import { LockstepError } from '../errors.js';
import { FACT_WORDS, MAX_PARTS, STATE_WORDS, word } from '../layout/index.js';
import { loadModules, type MetadataExports, type PlannerModules, type WasmSources } from '../memory/index.js';
import { completePolicy, type Policy } from '../policy/index.js';
import type { ForwardBatch, LocalPart } from './forward-batch.js';
import type { MetadataView, StagingSet } from './metadata.js';
import { PlannerMemory } from './planner-memory.js';
import type { Requests } from './requests.js';

/** Options of `createRawBatch`. */
export interface RawBatchOptions {
  /** Limits; those left out take their defaults. */
  readonly limits?: Partial<Limits>;
  /** Most parts the batch is cut into, from 2 to 4. Default 2. */
  readonly parts?: number;
  /** Where `localCuts` cuts a batch with prefills. Default 'token-share'. */
  readonly split?: Policy['split'];
  /** Where the two modules come from. Default: the `.wasm` files beside this code. */
  readonly wasm?: WasmSources;
  /** Fill tensor memory with garbage first. Default false. */
  readonly poison?: boolean;
}

/** A part that was cut: its counts, and its tensors at full capacity. */
export interface RawPart {
  /** The part's counts. */
  readonly local: LocalPart;
  /** Its tensors, read in place: the next cut overwrites them. */
  readonly tensors: MetadataView;
}

/** Builds a raw batch. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY. */
export async function createRawBatch(options: RawBatchOptions = {}): Promise<RawBatch> {
  checkArguments('createRawBatch', { options: [options, 'object'] });
  return new RawBatch(await loadModules(options.wasm), options);
}

/**
 * One batch in the metadata module without a decision: padded and cut where the caller says. It is how another
 * engine's padding and splits are compared with ours; serving uses `StepPlanner`.
 */
export class RawBatch {
  /** The limits in force, with their defaults. */
  readonly limits: Limits;
  /** Most parts this batch can be cut into. */
  readonly maxParts: number;
  /** Requests of the batch; schedule them as prefills to keep their order, since decodes come first. */
  readonly requests: Requests;

  readonly #metadata: MetadataExports;
  readonly #set: StagingSet;
  readonly #local: ForwardBatch;
  readonly #state: Int32Array;
  readonly #facts: Int32Array;
  #padded: { readonly tokens: number; readonly requests: number } | undefined;
  #disposed = false;

  /** Made by `createRawBatch`. Errors: ERR_CONFIG_INVALID, ERR_PLAN_CAPACITY. */
  constructor(modules: PlannerModules, options: RawBatchOptions = {}) {
    checkArguments('RawBatch', { modules: [modules, 'object', 'metadata'], options: [options, 'object'] });
    this.limits = completeLimits(options.limits);
    this.maxParts = options.parts ?? 2;
    const faults = new Faults();
    faults.integer('parts', this.maxParts, 2, MAX_PARTS);
    faults.throwIfAny('This batch');
    const policy = completePolicy({ ubatches: this.maxParts, split: options.split });
    const plan = { keys: [] };
    const memory = new PlannerMemory(modules, {
      limits: this.limits,
      plan,
      policy,
      rank: 0,
      ranks: 1,
      poison: options.poison === true,
    });
    this.#metadata = memory.metadata;
    this.#set = memory.sets[0];
    this.#local = memory.forwardBatch();
    this.#state = memory.words('state');
    this.#facts = memory.words('facts');
    this.requests = memory.requests((reads) => (reads ? this.#check() : this.#edit()));
  }

  /** Real tokens that are scheduled. */
  get tokens(): number {
    return this.#state[word(STATE_WORDS, 'tokens')];
  }

  /** Requests that are scheduled. */
  get scheduledRequests(): number {
    return this.#state[word(STATE_WORDS, 'decodes')] + this.#state[word(STATE_WORDS, 'prefills')];
  }

  /**
   * Tensors of the whole batch, packed and padded to these counts. Errors: ERR_INPUT_INVALID for counts below the batch's
   * or above the limits, ERR_DISPOSED.
   */
  buildPadded(paddedTokens: number, attentionRequests: number): MetadataView {
    this.#check();
    const { maxNumBatchedTokens, maxNumSeqs } = this.limits;
    between('paddedTokens', paddedTokens, this.tokens, maxNumBatchedTokens);
    between('attentionRequests', attentionRequests, this.scheduledRequests, maxNumSeqs);
    this.#metadata.build_padded(0, paddedTokens, attentionRequests);
    this.#padded = { tokens: paddedTokens, requests: attentionRequests };
    return this.#set.whole;
  }

  /**
   * Tokens of each of `parts` parts, as the batch's split cuts them: decodes alone by requests. Some are 0 if the batch cannot
   * be cut so. Errors: ERR_INPUT_INVALID, ERR_DISPOSED.
   */
  localCuts(parts: number): number[] {
    this.#check();
    between('parts', parts, 1, this.maxParts);
    this.#metadata.gather_facts(parts);
    const first = word(FACT_WORDS, 'part0Tokens');
    return [...this.#facts.subarray(first, first + parts)];
  }

  /**
   * Part `index`: tokens [begin, end) of the batch that `buildPadded` wrote, padding included. Its requests are those with
   * a token there. Errors: ERR_STEP_ORDER before `buildPadded`, ERR_INPUT_INVALID, ERR_DISPOSED.
   */
  buildCut(index: number, begin: number, end: number): RawPart {
    this.#check();
    if (this.#padded === undefined) {
      throw new LockstepError('ERR_STEP_ORDER', 'Call buildPadded() after the last edit and before buildCut()');
    }
    between('index', index, 0, this.maxParts - 1);
    between('begin', begin, 0, this.#padded.tokens);
    between('end', end, begin, this.#padded.tokens);
    this.#metadata.build_cut(0, index, begin, end, end - begin, this.#padded.requests);
    return { local: this.#local.partValue(index), tensors: this.#set.parts[index] };
  }

  /** Forgets every request, so that the memory can hold another batch. */
  clear(): void {
    this.#edit();
    this.#metadata.state_init();
  }

  /** Every later call throws ERR_DISPOSED. */
  dispose(): void {
    this.#disposed = true;
  }

  /** The same as `dispose()`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #check(): void {
    if (this.#disposed) throw new LockstepError('ERR_DISPOSED', 'This batch has been disposed');
  }

  #edit(): void {
    this.#check();
    this.#padded = undefined;
  }
}

function between(name: string, value: number, low: number, high: number): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new LockstepError(
    'ERR_INPUT_INVALID',
    `${name} is ${value}; it must be an integer from ${low} to ${high} here`,
    {
      [name]: value,
      low,
      high,
    },
  );
}
