/** Numbers drawn from a seed: the same ones again for the same seed. */
export class Draws {
  #state: bigint;

  constructor(seed: bigint) {
    this.#state = BigInt.asUintN(64, seed);
  }

  /** A 64-bit word. Source: SplitMix64. */
  word(): bigint {
    this.#state = BigInt.asUintN(64, this.#state + 0x9e3779b97f4a7c15n);
    let z = this.#state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
    return z ^ (z >> 31n);
  }

  /** An integer from `least` to `most`, both included. */
  from(least: number, most: number): number {
    return least + Number(this.word() % BigInt(most - least + 1));
  }

  /** True once in `of` draws. */
  once(of: number): boolean {
    return this.from(1, of) === 1;
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.from(0, choices.length - 1)];
    if (choice === undefined) throw new RangeError('nothing to pick from');
    return choice;
  }

  /** A float32 of all 24 bits, of a magnitude up to 2; now and then 0, -0 or one far smaller or greater. */
  float(): number {
    const word = Number(this.word() >> 32n);
    const value = ((word >>> 8) - 2 ** 23) / 2 ** 22;
    const kind = word & 0xff;
    if (kind >= 20) return value;
    return kind < 5 ? 0 : kind < 10 ? -0 : value * (kind < 15 ? 2 ** -30 : 2 ** 12);
  }

  /** `count` floats. */
  floats(count: number): number[] {
    return this.list(count, () => this.float());
  }

  /** `count` of the integers below `limit`, each once, in no order. */
  distinct(count: number, limit: number): number[] {
    const all = Array.from({ length: limit }, (_, index) => index);
    for (let left = limit; left > 1; left--) {
      const other = this.from(0, left - 1);
      [all[left - 1], all[other]] = [all[other] ?? 0, all[left - 1] ?? 0];
    }
    return all.slice(0, count);
  }

  list<T>(count: number, draw: (index: number) => T): T[] {
    return Array.from({ length: count }, (_, index) => draw(index));
  }
}
