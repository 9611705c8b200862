import { mix32 } from '../random.js';
import type { RequestTable } from '../request.js';

/**
 * The chains of leading hash ids of all requests as a radix tree: two requests have the same node exactly where all their ids up to
 * the node's end are equal. A node stands for as many ids as every request with one of them has together, so that its number alone keys
 * a prefix, with no chance of a collision, and a request has few nodes. Nodes count from 1.
 */
export class PrefixTrie {
  /** The nodes of all requests, in order of depth: those of a request begin at its offset. */
  readonly nodes: Int32Array;
  /** i32[requests + 1]: offsets in `nodes`. */
  readonly offsets: Int32Array;
  /** By node: ids of a chain before the node, and up to its end. */
  readonly begins: Int32Array;
  readonly ends: Int32Array;
  #count = 0;
  readonly #ids: Float64Array;
  /** By node: the node before it, 0 for the first of a chain, and where its ids stand in `#ids`. */
  readonly #parents: Int32Array;
  readonly #starts: Int32Array;
  /** Nodes by parent and first id: open addressing, at most half full. */
  readonly #slots: Int32Array;

  constructor({ hashIds, hashOffsets, length }: RequestTable) {
    this.#ids = hashIds;
    // A request adds one node, and divides one.
    const most = Math.min(2 * length, hashIds.length);
    this.begins = new Int32Array(most + 1);
    this.ends = new Int32Array(most + 1);
    this.#parents = new Int32Array(most + 1);
    this.#starts = new Int32Array(most + 1);
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(1, most) * 2)));
    const deepest = new Int32Array(length);
    for (let request = 0; request < length; request++) {
      deepest[request] = this.#insert(hashOffsets[request], hashOffsets[request + 1]);
    }
    this.offsets = new Int32Array(length + 1);
    for (let request = 0; request < length; request++) {
      this.offsets[request + 1] = this.offsets[request] + this.#depth(deepest[request]);
    }
    this.nodes = new Int32Array(this.offsets[length]);
    for (let request = 0; request < length; request++) this.#write(deepest[request], this.offsets[request + 1]);
  }

  /** How many nodes there are. */
  get count(): number {
    return this.#count;
  }

  /** Adds the chain of the ids from `from` to below `end`; returns its deepest node, which stays it: what divides a node is before it. */
  #insert(from: number, end: number): number {
    const ids = this.#ids;
    let parent = 0;
    for (let at = from; at < end; ) {
      const slot = this.#slot(parent, ids[at]);
      const node = this.#slots[slot];
      if (node === 0) {
        this.#slots[slot] = this.#add(parent, at, at - from, end - from);
        return this.#slots[slot];
      }
      const length = this.ends[node] - this.begins[node];
      const most = Math.min(length, end - at);
      const start = this.#starts[node];
      let equal = 1;
      while (equal < most && ids[start + equal] === ids[at + equal]) equal++;
      parent = equal === length ? node : this.#divide(node, slot, equal);
      at += equal;
    }
    return parent;
  }

  #add(parent: number, start: number, begin: number, end: number): number {
    const node = ++this.#count;
    this.#parents[node] = parent;
    this.#starts[node] = start;
    this.begins[node] = begin;
    this.ends[node] = end;
    return node;
  }

  /** The first `length` ids of a node become one of their own, before it. Returns that node. */
  #divide(node: number, slot: number, length: number): number {
    const begin = this.begins[node];
    const start = this.#starts[node];
    const before = this.#add(this.#parents[node], start, begin, begin + length);
    this.#slots[slot] = before;
    this.#parents[node] = before;
    this.#starts[node] = start + length;
    this.begins[node] = begin + length;
    this.#slots[this.#slot(before, this.#ids[start + length])] = node;
    return before;
  }

  #depth(deepest: number): number {
    let depth = 0;
    for (let node = deepest; node !== 0; node = this.#parents[node]) depth++;
    return depth;
  }

  /** Writes a node and those before it, so that they end before `end`. */
  #write(deepest: number, end: number): void {
    let at = end;
    for (let node = deepest; node !== 0; node = this.#parents[node]) this.nodes[--at] = node;
  }

  /** Where the node with this parent and first id is, or would be. */
  #slot(parent: number, id: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let slot = mix32(Math.imul(parent, 0x9e3779b1) ^ id ^ Math.floor(id / 0x100000000)) & last;
    for (let node = slots[slot]; node !== 0; node = slots[slot]) {
      if (this.#parents[node] === parent && this.#ids[this.#starts[node]] === id) break;
      slot = (slot + 1) & last;
    }
    return slot;
  }
}
