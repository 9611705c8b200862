/**
 * Numbers for the beginnings of prompts, block by block: two prompts have the same number at a block exactly where their tokens up
 * to the block's end are equal. Blocks are compared by their content, not by a hash of it.
 *
 * A number stands for a chain of blocks: it is looked up by the number of the chain before and the block's own tokens. The
 * table holds the chains used last; one that was dropped gets a new number, so that two requests may share less than they could,
 * and never what they must not. Numbers are not used again.
 */
export class PrefixKeys {
  readonly #blockSize: number;
  readonly #capacity: number;
  #young: Map<string, number> = new Map();
  #old: Map<string, number> = new Map();
  #next = 1;

  /** `blockSize`: tokens of a number. The table holds between `capacity` and twice as many chains. */
  constructor(blockSize: number, capacity: number) {
    this.#blockSize = blockSize;
    this.#capacity = capacity;
  }

  /** Chains that the table holds. */
  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** One number for each `blockSize` tokens of the first `length` of `ids`, the last possibly for fewer. */
  of(ids: Int32Array, length: number): number[] {
    const keys: number[] = [];
    let before = 0;
    for (let start = 0; start < length; start += this.#blockSize) {
      const block = ids.subarray(start, Math.min(length, start + this.#blockSize));
      before = this.#keyOf(`${before}:${contentOf(block)}`);
      keys.push(before);
    }
    return keys;
  }

  #keyOf(chain: string): number {
    const young = this.#young.get(chain);
    if (young !== undefined) return young;
    const key = this.#old.get(chain) ?? this.#next++;
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(chain, key);
    return key;
  }
}

/** The tokens as text of one character a byte: equal for equal tokens, and for no others. */
function contentOf({ buffer, byteOffset, byteLength }: Int32Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
}
