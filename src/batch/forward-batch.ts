import { checkArguments, Faults } from '../checks.js';
import { inspectAs } from '../inspect.js';
import { indexOf, LOCAL_PART_WORDS, LOCAL_WORDS, MAX_PARTS } from '../layout/index.js';
import type { Sizes } from '../memory/index.js';
import { KvGroupMetadata, type KvGroupMetadataValue } from './kv-group-metadata.js';
import { copyView, type MetadataView, type StagingSet } from './metadata.js';

const W = indexOf(LOCAL_WORDS);
const P = indexOf(LOCAL_PART_WORDS);

/**
 * This rank's share of one part; ranges are half-open, in the whole batch's requests and tokens. `tokens` ends with the last
 * real request: in a decode graph that is its window's end, of which a short draft leaves the last tokens padding.
 */
export interface LocalPart {
  /** The part's requests, as rows of the whole batch: `end` is excluded. */
  readonly requests: readonly [begin: number, end: number];
  /** The part's tokens, as indices of the whole batch: `end` is excluded. */
  readonly tokens: readonly [begin: number, end: number];
  /** Tokens that the part computes, padding included. */
  readonly paddedTokens: number;
  /** What sizes this part's attention tensors. */
  readonly attentionRequests: number;
  /** First row of the block table that belongs to this part. */
  readonly tableRow: number;
  /** Rows of logits: entries of `logitsIndices`. */
  readonly numLogits: number;
}

/** A part of the current step, read in place: the same object in every step. `snapshot()` gives a value that lasts. */
export class LocalPartView implements LocalPart {
  readonly #words: Int32Array;
  readonly #at: number;

  /** A view of part `index` in the words of a forward batch. Errors: ERR_CONFIG_INVALID. */
  constructor(words: Int32Array, index: number) {
    checkArguments('LocalPartView', { words: [words, 'list'] });
    const faults = new Faults();
    faults.integer('index', index, 0, MAX_PARTS - 1);
    faults.throwIfAny('This part');
    this.#words = words;
    this.#at = LOCAL_WORDS.length + index * LOCAL_PART_WORDS.length;
  }

  /** Real requests, from and to: a new pair each time, so that a step path reads `requestBegin` and `requestEnd`. */
  get requests(): readonly [begin: number, end: number] {
    return Object.freeze([this.requestBegin, this.requestEnd] as const);
  }
  /** Real tokens, from and to: a new pair as well. `tokenBegin` and `tokenEnd` allocate nothing. */
  get tokens(): readonly [begin: number, end: number] {
    return Object.freeze([this.tokenBegin, this.tokenEnd] as const);
  }
  /** First request of the part. */
  get requestBegin(): number {
    return this.#words[this.#at + P.requestBegin];
  }
  /** One past the last request of the part. */
  get requestEnd(): number {
    return this.#words[this.#at + P.requestEnd];
  }
  /** First token of the part. */
  get tokenBegin(): number {
    return this.#words[this.#at + P.tokenBegin];
  }
  /** One past the last real token of the part. */
  get tokenEnd(): number {
    return this.#words[this.#at + P.tokenEnd];
  }
  /** Tokens that the part computes, padding included. */
  get paddedTokens(): number {
    return this.#words[this.#at + P.paddedTokens];
  }
  get attentionRequests(): number {
    return this.#words[this.#at + P.attentionRequests];
  }
  get tableRow(): number {
    return this.#words[this.#at + P.tableRow];
  }
  /** Rows of logits of this step: entries of `logitsIndices`. */
  get numLogits(): number {
    return this.#words[this.#at + P.numLogits];
  }

  /** A frozen value that later steps leave alone. */
  snapshot(): LocalPart {
    const { requests, tokens, paddedTokens, attentionRequests, tableRow, numLogits } = this;
    return Object.freeze({ requests, tokens, paddedTokens, attentionRequests, tableRow, numLogits });
  }

  /** What `JSON.stringify` writes: the same as `snapshot()`. */
  toJSON(): LocalPart {
    return this.snapshot();
  }
}

/** A step's forward batch, by value. */
export interface ForwardBatchValue {
  /** The step's number, as in the decision. */
  readonly step: number;
  /** Real tokens of this rank. */
  readonly tokens: number;
  /** Real requests of this rank. */
  readonly requests: number;
  /** Tokens that the rank computes over the whole batch, padding included. */
  readonly paddedTokens: number;
  /** Requests that attention is launched for: the graph's, or the rank's own in eager, at least 1. */
  readonly attentionRequests: number;
  /** Tokens of each request's window in a decode graph; 0 where requests are packed. */
  readonly queryLen: number;
  /** Rows of logits: entries of `logitsIndices`. */
  readonly numLogits: number;
  /** This rank's share of each part; one entry where the step is whole. */
  readonly parts: readonly LocalPart[];
  /** Copies of the tensors of the whole batch, each as long as the step needs. */
  readonly tensors: MetadataView;
  /** Copies of the tensors of each part; empty unless the step has several. */
  readonly partTensors: readonly MetadataView[];
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth], the null block 0 as padding. */
  readonly blockTable: Int32Array;
  /** Columns of the block table. */
  readonly tableWidth: number;
  /** What each KV cache group has of its own; the first has the slots, pages and block table above. */
  readonly groups: readonly KvGroupMetadataValue[];
}

/**
 * This rank's part of a decision, read in place: the next `build` overwrites it, and its tensors are valid until their
 * staging set is used again, two steps later. `step` says which step it is; `snapshot()` gives a value that lasts.
 */
export class ForwardBatch {
  static {
    inspectAs(ForwardBatch, (batch) => batch.toJSON());
  }

  readonly #words: Int32Array;
  readonly #sets: readonly [StagingSet, StagingSet];
  readonly #parts: readonly LocalPartView[];
  /**
   * The planner's row of the request in each row of the step's tensors, decodes first: the first `rows` entries of
   * i32[maxPaddedRequests], -1 in a gap row. The next vote overwrites it.
   */
  readonly order: Int32Array;
  /** What each KV cache group has of its own. The first group's slots, pages and block table are also those of the batch itself. */
  readonly groups: readonly KvGroupMetadata[];
  /** The staging set that the tensors are read from. */
  readonly sizes: Sizes;

  /** Made by a planner over its own memory. `views`: the words of the batch, its order, and the state of each KV cache group. */
  constructor(
    views: { readonly words: Int32Array; readonly order: Int32Array; readonly groups: readonly Int32Array[] },
    sets: readonly [StagingSet, StagingSet],
    sizes: Sizes,
  ) {
    checkArguments('ForwardBatch', {
      views: [views, 'object', 'words', 'order', 'groups'],
      sets: [sets, 'list'],
      sizes: [sizes, 'object', 'groups'],
    });
    this.#words = views.words;
    this.order = views.order;
    this.#sets = sets;
    this.#parts = Array.from({ length: MAX_PARTS }, (_, index) => new LocalPartView(views.words, index));
    this.sizes = sizes;
    this.groups = Object.freeze(
      views.groups.map(
        (state, index) => new KvGroupMetadata(sizes.groups[index], state, () => this.#sets[this.staging].groups[index]),
      ),
    );
  }

  /** The step's number, as in the decision. */
  get step(): number {
    return this.#words[W.step];
  }
  /** Which staging set holds the tensors: 0 or 1. */
  get staging(): number {
    return this.#words[W.staging];
  }
  /** Real tokens of this rank. */
  get tokens(): number {
    return this.#words[W.tokens];
  }
  /** Real requests of this rank. */
  get requests(): number {
    return this.#words[W.requests];
  }
  /** Those of them that decode; they come first in the tensors. */
  get decodeRequests(): number {
    return this.#words[W.decodeRequests];
  }
  /**
   * Rows of the tensors up to the last request's. In a mixed graph with fewer decodes than it has decode rows, the rows from
   * `decodeRequests` to the first prefill are a gap: padding rows, no request. Else `requests`.
   */
  get rows(): number {
    return this.#words[W.rows];
  }
  /** Tokens this rank computes over the whole batch. In an eager step cut into parts only the parts are padded. */
  get paddedTokens(): number {
    return this.#words[W.paddedTokens];
  }
  /** What sizes this rank's attention tensors: the graph's requests, or its own; 1 for an eager dummy. */
  get attentionRequests(): number {
    return this.#words[W.attentionRequests];
  }
  /** Tokens of each request's window in a decode graph; 0 where requests are packed. */
  get queryLen(): number {
    return this.#words[W.queryLen];
  }
  /** Number of parts: 1 where the step is whole, 0 where it is parked. */
  get partCount(): number {
    return this.#words[W.parts];
  }
  /** Rows of logits of this step: entries of `logitsIndices`. */
  get numLogits(): number {
    return this.#words[W.numLogits];
  }
  /** Longest sequence of the rank's requests after this step, in tokens. */
  get maxSeqLen(): number {
    return this.#words[W.maxSeqLen];
  }
  /** Edits that bring the device's block table up to this step, int32[4] each in the planner's memory. */
  get tableEdits(): number {
    return this.groups[0].tableEdits;
  }
  /** Columns of the block table, in kernel blocks. */
  get tableWidth(): number {
    return this.groups[0].tableWidth;
  }
  /** Tensors of the whole batch, as views of the staging set at full capacity; docs/planner.md has shapes and padding. */
  get tensors(): MetadataView {
    return this.#sets[this.staging].whole;
  }
  /** The same for each part: the first `partCount` are those of the step, where it has several. */
  get partTensors(): readonly MetadataView[] {
    return this.#sets[this.staging].parts;
  }
  /** `tensors` with what the planner computed for those that the device supplies, from which the others were derived. */
  get writtenTensors(): MetadataView {
    return this.#sets[this.staging].written.whole;
  }
  /** `partTensors` likewise. */
  get writtenPartTensors(): readonly MetadataView[] {
    return this.#sets[this.staging].written.parts;
  }
  /** Kernel blocks of each request: i32[attentionRequests, tableWidth], the null block 0 in padding rows and after a row's last block. */
  get blockTable(): Int32Array {
    return this.#sets[this.staging].blockTable;
  }

  /** Padded tokens of a part, without making an object. */
  partPaddedTokens(part: number): number {
    return this.#words[LOCAL_WORDS.length + part * LOCAL_PART_WORDS.length + P.paddedTokens];
  }

  /** Part `index`, read in place. Throws a RangeError where the step has no such part. */
  part(index: number): LocalPartView {
    const part = index < Math.max(1, this.partCount) ? this.#parts[index] : undefined;
    if (part === undefined) throw new RangeError(`no part ${index}: the step has ${this.partCount}`);
    return part;
  }

  /** Part `index` by value, whatever the step's number of parts. */
  partValue(index: number): LocalPart {
    return this.#parts[index].snapshot();
  }

  /** What `JSON.stringify` writes: the counts and parts; tensors are 64-bit and large, and `snapshot()` copies them. */
  toJSON(): Omit<ForwardBatchValue, 'tensors' | 'partTensors' | 'blockTable' | 'tableWidth' | 'groups'> {
    const { step, tokens, requests, paddedTokens, attentionRequests, queryLen, numLogits, partCount } = this;
    const parts = Array.from({ length: partCount }, (_, index) => this.part(index).snapshot());
    return { step, tokens, requests, paddedTokens, attentionRequests, queryLen, numLogits, parts };
  }

  /** A value with detached tensors, each as long as the step needs. */
  snapshot(): ForwardBatchValue {
    const parts = Array.from({ length: this.partCount }, (_, index) => this.part(index).snapshot());
    const cut = parts.length > 1;
    const groups = this.groups.map((group) => group.snapshot(this, cut ? parts : []));
    const tensors = copyView(this.tensors, this, groups[0].tensors);
    const partTensors = parts.flatMap((part, index) =>
      cut ? [copyView(this.partTensors[index], part, groups[0].partTensors[index])] : [],
    );
    return Object.freeze({
      step: this.step,
      tokens: this.tokens,
      requests: this.requests,
      paddedTokens: this.paddedTokens,
      attentionRequests: this.attentionRequests,
      queryLen: this.queryLen,
      numLogits: this.numLogits,
      parts: Object.freeze(parts),
      tensors,
      partTensors: Object.freeze(partTensors),
      blockTable: groups[0].blockTable,
      tableWidth: this.tableWidth,
      groups: Object.freeze(groups),
    });
  }
}
