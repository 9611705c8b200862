import { hash32 } from '../workload/index.js';

/** Lengths of the ends that are looked up, the longest first. */
const LENGTHS = [3, 2] as const;

/**
 * Drafts from a request's own text: where its last tokens stood before, what followed them then is proposed. It needs no model,
 * and helps where an answer repeats its prompt. Source: vLLM's n-gram speculation (prompt lookup).
 */
export class PromptLookup {
  /** Where the tokens that follow an end begin, by the hash of the end; of several the latest. Hashes may meet, so ends are compared. */
  readonly #after: Map<number, number> = new Map();
  /** Tokens whose ends are noted: the last one's are not, since nothing follows it yet. */
  #noted = 0;

  /** Up to `count` tokens that may follow the first `length` of `ids`, which grow from call to call. */
  propose(ids: Int32Array, length: number, count: number): Int32Array {
    this.#note(ids, length - 1);
    for (const size of LENGTHS) {
      if (length <= size) continue;
      const at = this.#after.get(hashOf(ids, length, size));
      if (at === undefined || !sameEnd(ids, at, length, size)) continue;
      return ids.subarray(at, Math.min(length, at + count));
    }
    return ids.subarray(0, 0);
  }

  /** `count` tokens that may follow, as far as anything is proposed: where that reaches the text's end, it is taken to go on as it began. */
  proposeOn(ids: Int32Array, length: number, count: number): Int32Array {
    const found = this.propose(ids, length, count);
    if (found.length === count || found.length === 0) return found;
    return Int32Array.from({ length: count }, (_, index) => found[index % found.length]);
  }

  #note(ids: Int32Array, length: number): void {
    for (let end = this.#noted + 1; end <= length; end++) {
      for (const size of LENGTHS) if (end >= size) this.#after.set(hashOf(ids, end, size), end);
    }
    this.#noted = Math.max(this.#noted, length);
  }
}

/** Hash of the `size` tokens before `end`. */
function hashOf(ids: Int32Array, end: number, size: number): number {
  return hash32(size === 3 ? ids[end - 3] : -1, ids[end - 2], ids[end - 1]);
}

function sameEnd(ids: Int32Array, end: number, other: number, size: number): boolean {
  for (let back = 1; back <= size; back++) if (ids[end - back] !== ids[other - back]) return false;
  return true;
}
