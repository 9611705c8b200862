import { HASH_BLOCK_TOKENS, type RequestTable } from '../request.js';
import { PrefixTrie } from './prefix-trie.js';

/**
 * What the scheduler knows of every request, in flat arrays by request id. A request belongs to one rank, so all ranks
 * of a model share these.
 */
export class RequestState {
  readonly table: RequestTable;
  /** numComputedTokens. */
  readonly computed: Int32Array;
  /** Output tokens sampled so far. */
  readonly generated: Int32Array;
  /** Tokens to prefill: the prompt, and after a preemption what was generated too. Computed up to here, it decodes. */
  readonly prefillTokens: Int32Array;
  /** Tokens that the request's blocks cover. */
  readonly covered: Int32Array;
  /** Blocks of the prompt that are keyed, or were found keyed. */
  readonly keyedBlocks: Int32Array;
  /** Whole blocks of a prompt that has hash ids, else 0. */
  readonly keyableBlocks: Int32Array;
  /** Hash of seed and request, from which the draws of its drafts follow; set where there are drafts. */
  readonly draftHash: Uint32Array;
  /** The next request in a waiting queue; meaningless for the last one and for those that do not wait. */
  readonly nextWaiting: Int32Array;
  /** Blocks of a running request in order of position, with room for those it will need; empty for others. */
  readonly blocks: number[][];
  /** Most blocks of `blockSize` tokens that end within one 512-token block. */
  readonly keysPerNode: number;
  /** Chains of leading hash ids: what `node` gives is at most this. */
  readonly nodes: number;
  readonly #nodes: Int32Array;

  constructor(table: RequestTable, blockSize: number) {
    const { length, hashOffsets, inputTokens } = table;
    this.table = table;
    this.computed = new Int32Array(length);
    this.generated = new Int32Array(length);
    this.prefillTokens = new Int32Array(length);
    this.covered = new Int32Array(length);
    this.keyedBlocks = new Int32Array(length);
    this.keyableBlocks = new Int32Array(length);
    this.draftHash = new Uint32Array(length);
    this.nextWaiting = new Int32Array(length);
    this.blocks = Array.from({ length }, () => NO_BLOCKS);
    this.keysPerNode = Math.ceil(HASH_BLOCK_TOKENS / blockSize);
    const trie = new PrefixTrie(table);
    this.nodes = trie.count;
    this.#nodes = trie.nodes;
    for (let request = 0; request < length; request++) {
      if (hashOffsets[request] === hashOffsets[request + 1]) continue;
      this.keyableBlocks[request] = Math.floor((inputTokens[request] as number) / blockSize);
    }
  }

  /** The chain of leading hash ids of a hashed prompt up to its 512-token block `depth`, as a number that keys it. */
  node(request: number, depth: number): number {
    return this.#nodes[(this.table.hashOffsets[request] as number) + depth] as number;
  }
}

/** Stands for the blocks of every request that holds none; never written. */
export const NO_BLOCKS: number[] = [];
