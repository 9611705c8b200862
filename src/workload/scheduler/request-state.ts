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
  /** The prefix of each request that came with its own. */
  readonly #prefixes: (ArrayLike<number> | null)[] = [];
  /** The prefixes of a table's requests; null where each came with its own. */
  readonly #trie: PrefixTrie | null;
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
  /** Tokens that the request's blocks cover; of a lane without block ids, `DecodeLanes` knows it. */
  covered: Int32Array;
  /** Blocks of the prompt that are keyed, or were found keyed. */
  keyedBlocks: Int32Array;
  /** The place in the prefix of the node with its last keyed block; -1 without any. */
  level: Int32Array;
  /** The ids of a running request's blocks, in order of position, and room for more; null of others, and where ids are not kept. */
  readonly held: (Int32Array | null)[];

  // What `PrefixCache` keeps of a request that holds the first keys of a node, and not all.
  /** How many. */
  keysHeld: Int32Array;
  /** The next request, plus 1, that holds a part of the same node; 0 at the end. */
  nextHolder: Int32Array;

  /** The next request in a list: of a waiting queue, or of the lanes that enter a block together. -1 at the end. */
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
    this.blockSize = blockSize;
    this.tokensPerKey = tokensPerKey;
    this.#trie = table === null ? null : new PrefixTrie(table);
    this.nodes = this.#trie?.count ?? null;
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
    this.level = new Int32Array(capacity);
    this.held = new Array<Int32Array | null>(capacity).fill(null);
    this.keysHeld = new Int32Array(capacity);
    this.nextHolder = new Int32Array(capacity);
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
      if (table.hashOffsets[request + 1] === table.hashOffsets[request]) continue;
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

  /** The node of a prompt at a place in its prefix, from 0: it stands for a chain of leading hash ids. */
  node(request: number, level: number): number {
    const trie = this.#trie;
    if (trie === null) return (this.#prefixes[request] as ArrayLike<number>)[level];
    return trie.nodes[trie.offsets[request] + level];
  }

  /** Whole blocks in the tokens before a node. */
  firstBlock(node: number, level: number): number {
    return this.#wholeBlocks(this.#trie === null ? level : this.#trie.begins[node]);
  }

  /** Whole blocks in the tokens up to a node's end. */
  endBlock(node: number, level: number): number {
    return this.#wholeBlocks(this.#trie === null ? level + 1 : this.#trie.ends[node]);
  }

  #wholeBlocks(keys: number): number {
    return Math.floor((keys * this.tokensPerKey) / this.blockSize);
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
    this.level = grown(this.level, length);
    this.keysHeld = grown(this.keysHeld, length);
    this.nextHolder = grown(this.nextHolder, length);
    this.next = grown(this.next, length);
    this.laneStart = grown(this.laneStart, length);
    this.laneEnd = grown(this.laneEnd, length);
    this.laneAt = grown(this.laneAt, length, -1);
    this.previous = grown(this.previous, length);
    while (this.held.length < this.computed.length) this.held.push(null);
  }
}
