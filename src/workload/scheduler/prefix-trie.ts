import { mix32 } from '../random.js';
import type { RequestTable } from '../request.js';

/**
 * Numbers the chains of leading hash ids of all requests: two requests have the same node at a depth exactly where all
 * their ids up to that depth are equal. The number alone then keys a prefix, with no chance of a collision.
 */
export class PrefixTrie {
  /** i32 like `table.hashIds`: the node of the chain that ends with each id. Nodes count from 1. */
  readonly nodes: Int32Array;
  /** How many there are. */
  readonly count: number;

  constructor(table: RequestTable) {
    const { hashIds, hashOffsets, length } = table;
    this.nodes = new Int32Array(hashIds.length);
    // Open addressing over (parent, id), at most half full.
    const slots = 2 ** Math.ceil(Math.log2(Math.max(1, hashIds.length) * 2));
    const slotNode = new Int32Array(slots);
    const parentOf = new Int32Array(hashIds.length + 1);
    const idOf = new Float64Array(hashIds.length + 1);
    let count = 0;
    for (let request = 0; request < length; request++) {
      let parent = 0;
      for (let i = hashOffsets[request] as number; i < (hashOffsets[request + 1] as number); i++) {
        const id = hashIds[i] as number;
        // Traces number their hash blocks in order: where an id leads to its own slot, neighbours lie side by side in memory.
        let slot = id & (slots - 1);
        let node = slotNode[slot];
        if (node !== 0 && (parentOf[node] !== parent || idOf[node] !== id)) {
          slot = mix32(Math.imul(parent, 0x9e3779b1) ^ id ^ Math.floor(id / 0x100000000)) & (slots - 1);
          node = slotNode[slot];
          while (node !== 0 && (parentOf[node] !== parent || idOf[node] !== id)) {
            slot = (slot + 1) & (slots - 1);
            node = slotNode[slot];
          }
        }
        if (node === 0) {
          node = ++count;
          slotNode[slot] = node;
          parentOf[node] = parent;
          idOf[node] = id;
        }
        this.nodes[i] = node;
        parent = node;
      }
    }
    this.count = count;
  }
}
