import { mix32 } from '../random.js';
import type { RequestTable } from '../request.js';

/**
 * The chains of leading hash ids of all requests as a radix tree: two requests have the same node exactly where all their ids up to
 * the node's end are equal. A node stands for as many ids as every request with one of them has together, so that its number alone keys
 * a prefix, with no chance of a collision, and a request has few nodes. Nodes count from 1.
 */
export class PrefixTrie {
  /** How many nodes there are. */
  readonly count: number;
  /** The nodes of all requests, in order of depth: those of a request begin at its offset. */
  readonly nodes: Int32Array;
  /** i32[requests + 1]: offsets in `nodes`. */
  readonly offsets: Int32Array;
  /** By node: ids of a chain before the node, and up to its end. */
  readonly begins: Int32Array;
  readonly ends: Int32Array;

  constructor(table: RequestTable) {
    const { chains, parents, isEnd, length } = numberChains(table);
    const children = new Uint8Array(length + 1);
    for (let chain = 1; chain <= length; chain++) if (children[parents[chain]] < 2) children[parents[chain]]++;
    // A chain follows its parent in number, and so does its node.
    const nodeOf = new Int32Array(length + 1);
    this.begins = new Int32Array(length + 1);
    this.ends = new Int32Array(length + 1);
    let count = 0;
    for (let chain = 1; chain <= length; chain++) {
      const parent = parents[chain];
      if (parent !== 0 && children[parent] === 1 && isEnd[parent] === 0) {
        nodeOf[chain] = nodeOf[parent];
      } else {
        const node = ++count;
        nodeOf[chain] = node;
        this.begins[node] = this.ends[nodeOf[parent]];
        this.ends[node] = this.begins[node];
      }
      this.ends[nodeOf[chain]]++;
    }
    this.count = count;
    this.offsets = new Int32Array(table.length + 1);
    this.nodes = this.#nodesOf(table, chains, nodeOf);
  }

  /** Fills in the offsets; returns the nodes of all requests. */
  #nodesOf({ hashOffsets, length }: RequestTable, chains: Int32Array, nodeOf: Int32Array): Int32Array {
    const nodes = new Int32Array(chains.length);
    let count = 0;
    for (let request = 0; request < length; request++) {
      const end = hashOffsets[request + 1];
      for (let at = hashOffsets[request]; at < end; ) {
        const node = nodeOf[chains[at]];
        nodes[count++] = node;
        // Every request with a node has all of its ids.
        at += this.ends[node] - this.begins[node];
      }
      this.offsets[request + 1] = count;
    }
    return nodes.subarray(0, count);
  }
}

/** Chains of leading hash ids, numbered from 1; each follows the chain without its last id, its parent, in number. */
interface Chains {
  /** i32 like `table.hashIds`: the chain that ends with each id. */
  readonly chains: Int32Array;
  /** By chain; 0 for one of a single id. */
  readonly parents: Int32Array;
  /** By chain: 1 where a request has no further id. */
  readonly isEnd: Uint8Array;
  readonly length: number;
}

function numberChains({ hashIds, hashOffsets, length }: RequestTable): Chains {
  const chains = new Int32Array(hashIds.length);
  // Open addressing over (parent, id), at most half full.
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, hashIds.length) * 2));
  const slotChain = new Int32Array(slots);
  const parents = new Int32Array(hashIds.length + 1);
  const isEnd = new Uint8Array(hashIds.length + 1);
  const idOf = new Float64Array(hashIds.length + 1);
  let count = 0;
  for (let request = 0; request < length; request++) {
    const end = hashOffsets[request + 1];
    let parent = 0;
    for (let i = hashOffsets[request]; i < end; i++) {
      const id = hashIds[i];
      // Traces number their hash blocks in order: where an id leads to its own slot, neighbours lie side by side in memory.
      let slot = id & (slots - 1);
      let chain = slotChain[slot];
      if (chain !== 0 && (parents[chain] !== parent || idOf[chain] !== id)) {
        slot = mix32(Math.imul(parent, 0x9e3779b1) ^ id ^ Math.floor(id / 0x100000000)) & (slots - 1);
        chain = slotChain[slot];
        while (chain !== 0 && (parents[chain] !== parent || idOf[chain] !== id)) {
          slot = (slot + 1) & (slots - 1);
          chain = slotChain[slot];
        }
      }
      if (chain === 0) {
        chain = ++count;
        slotChain[slot] = chain;
        parents[chain] = parent;
        idOf[chain] = id;
      }
      chains[i] = chain;
      parent = chain;
    }
    isEnd[parent] = 1;
  }
  return { chains, parents, isEnd, length: count };
}
