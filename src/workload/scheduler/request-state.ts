import type { RequestTable } from '../request.js';
import { grown } from './grown.js';
import { PrefixTrie } from './prefix-trie.js';

const MAX_QUERY_LEN = 2 ** 31 - 1;

/** A request at its arrival. */
export interface RequestFacts {
  /** Tokens of the prompt, at least 1. */
  readonly promptTokens: number;
  /** Tokens after which it ends, if nothing ends it earlier; 0 ends it with its prefill. */
  readonly maxTokens: number;
  /**
   * One integer for each `tokensPerKey` tokens of the prompt, the last possibly for fewer: equal where the prompts up to there are
   * equal, and nowhere else. Null where nothing is shared.
   */
  readonly prefix: ArrayLike<number> | null;
  /** Most tokens of its decodes, below the limits'. Default: the limits' own. */
  readonly queryLen?: number;
}

/** The KV blocks of a running request, in order of position. */
export interface HeldBlocks {
  /** Their ids, where ids are kept, and room for more. */
  ids: Int32Array;
  /** 1 at each depth of whose node the request holds every key. */
  whole: Uint8Array;
  /** Blocks of the prompt whose key another block has. */
  readonly duplicates: number[];
}

/**
 * The scheduler's state of every request, in flat arrays by request id. A request belongs to one rank, so all ranks
 * of a model share these.
 */
export class RequestState {
  readonly blockSize: number;
  /** Tokens that one number of a prefix stands for. */
  readonly tokensPerKey: number;
  /** The largest number in a prefix, or null where it is not known. */
  readonly nodes: number | null;
  promptTokens: Int32Array;
  maxTokens: Int32Array;
  /** The prefix of each request that came with its own; the requests of a table have theirs in one array. */
  readonly #prefixes: (ArrayLike<number> | null)[] = [];
  readonly #chains: { readonly nodes: Int32Array; readonly offsets: Int32Array } | null;
  /** Whole blocks of a prompt that has a prefix, else 0. */
  keyableBlocks: Int32Array;

  /** numComputedTokens; of a lane, `DecodeLanes` knows it. */
  computed: Int32Array;
  /** Output tokens sampled so far; of a lane, `DecodeLanes` knows it. */
  generated: Int32Array;
  /** Drafts of its last decode that may be accepted, where how many are is not read yet; else 0. */
  unread: Int32Array;
  /** Most tokens of its decodes. */
  queryLen: Int32Array;
  /** Tokens to prefill: the prompt, and after a preemption what was generated too. Computed up to here, it decodes. */
  prefillTokens: Int32Array;
  /** How many requests its rank had admitted before it. */
  admission: Float64Array;
  /** Tokens that the request's blocks cover. */
  covered: Int32Array;
  /** Blocks of the prompt that are keyed, or were found keyed. */
  keyedBlocks: Int32Array;
  /** Blocks of a running request; null of others. */
  readonly held: (HeldBlocks | null)[];
  /** The next request in a list: of a waiting queue, or of the lanes that need a block in one step. -1 at the end. */
  next: Int32Array;

  // What `DecodeLanes` keeps of each lane.
  /** Tokens computed, less the lanes' clock. */
  laneStart: Float64Array;
  /** The clock's reading when the lane has all its tokens. */
  laneEnd: Float64Array;
  /** Its place in the heap of ends; -1 for a request that is not a lane. */
  laneAt: Int32Array;
  /** The one before it in the list that `next` links. */
  previous: Int32Array;

  private constructor(table: RequestTable | null, blockSize: number, tokensPerKey: number) {
    const capacity = table?.length ?? 0;
    const trie = table === null ? null : new PrefixTrie(table);
    this.blockSize = blockSize;
    this.tokensPerKey = tokensPerKey;
    this.nodes = trie?.count ?? null;
    this.#chains = table === null || trie === null ? null : { nodes: trie.nodes, offsets: table.hashOffsets };
    this.promptTokens = new Int32Array(capacity);
    this.maxTokens = new Int32Array(capacity);
    this.keyableBlocks = new Int32Array(capacity);
    this.computed = new Int32Array(capacity);
    this.generated = new Int32Array(capacity);
    this.unread = new Int32Array(capacity);
    this.queryLen = new Int32Array(capacity).fill(MAX_QUERY_LEN);
    this.prefillTokens = new Int32Array(capacity);
    this.admission = new Float64Array(capacity);
    this.covered = new Int32Array(capacity);
    this.keyedBlocks = new Int32Array(capacity);
    this.held = new Array<HeldBlocks | null>(capacity).fill(null);
    this.next = new Int32Array(capacity);
    this.laneStart = new Float64Array(capacity);
    this.laneEnd = new Float64Array(capacity);
    this.laneAt = new Int32Array(capacity).fill(-1);
    this.previous = new Int32Array(capacity);
  }

  /** The requests of a table, whose prefixes are chains of hash ids. */
  static of(table: RequestTable, blockSize: number): RequestState {
    const state = new RequestState(table, blockSize, table.hashBlockTokens);
    state.promptTokens.set(table.inputTokens);
    state.maxTokens.set(table.outputTokens);
    for (let request = 0; request < table.length; request++) {
      if (state.depths(request) === 0) continue;
      state.keyableBlocks[request] = Math.floor(table.inputTokens[request] / blockSize);
    }
    return state;
  }

  /** No requests yet; `set` adds them, with prefixes of any safe integers. */
  static empty(blockSize: number, tokensPerKey: number): RequestState {
    return new RequestState(null, blockSize, tokensPerKey);
  }

  /** Writes what is known of a request that arrives, under an id that no live request has. */
  set(request: number, { promptTokens, maxTokens, prefix, queryLen = MAX_QUERY_LEN }: RequestFacts): void {
    if (request >= this.computed.length) this.#grow(request + 1);
    this.promptTokens[request] = promptTokens;
    this.maxTokens[request] = maxTokens;
    this.#prefixes[request] = prefix;
    this.keyableBlocks[request] = prefix === null ? 0 : Math.floor(promptTokens / this.blockSize);
    this.computed[request] = 0;
    this.generated[request] = 0;
    this.unread[request] = 0;
    this.queryLen[request] = queryLen;
  }

  /** Numbers in the prefix of a request; 0 where nothing is shared. */
  depths(request: number): number {
    if (this.#chains === null) return this.#prefixes[request]?.length ?? 0;
    return this.#chains.offsets[request + 1] - this.#chains.offsets[request];
  }

  /** The number of a prompt's chain up to the end of the tokens of key `depth`. */
  node(request: number, depth: number): number {
    if (this.#chains === null) return (this.#prefixes[request] as ArrayLike<number>)[depth];
    return this.#chains.nodes[this.#chains.offsets[request] + depth];
  }

  #grow(length: number): void {
    this.promptTokens = grown(this.promptTokens, length);
    this.maxTokens = grown(this.maxTokens, length);
    this.keyableBlocks = grown(this.keyableBlocks, length);
    this.computed = grown(this.computed, length);
    this.generated = grown(this.generated, length);
    this.unread = grown(this.unread, length);
    this.queryLen = grown(this.queryLen, length);
    this.prefillTokens = grown(this.prefillTokens, length);
    this.admission = grown(this.admission, length);
    this.covered = grown(this.covered, length);
    this.keyedBlocks = grown(this.keyedBlocks, length);
    this.next = grown(this.next, length);
    this.laneStart = grown(this.laneStart, length);
    this.laneEnd = grown(this.laneEnd, length);
    this.laneAt = grown(this.laneAt, length, -1);
    this.previous = grown(this.previous, length);
    while (this.held.length < this.computed.length) this.held.push(null);
  }
}
