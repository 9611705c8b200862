const PRIME_1 = 11400714785074694791n;
const PRIME_2 = 14029467366897019727n;
const PRIME_5 = 2870177450012600261n;
const WORD = (1n << 64n) - 1n;

/** Neighbouring slots that are probed before the next slot is computed. */
const LINEAR_PROBES = 9;

interface Entry {
  readonly hash: bigint;
  readonly tuple: readonly number[];
}

/**
 * The tuples without repeats, in the order in which CPython iterates over a set of them. An engine that sorts such a set by a
 * key with ties leaves tied tuples in this order. It is the same in every process, since integers hash to
 * themselves. Tuples hold integers from 0. Source: CPython 3.8 to 3.13, tupleobject.c and setobject.c.
 */
export function pythonSetOrder<T extends readonly number[]>(tuples: Iterable<T>): T[] {
  const unique = new Map<string, T>();
  for (const tuple of tuples) if (!unique.has(tuple.join())) unique.set(tuple.join(), tuple);
  let table = new Array<Entry | undefined>(8).fill(undefined);
  let used = 0;
  for (const tuple of unique.values()) {
    insert(table, { hash: tupleHash(tuple), tuple });
    used++;
    if (used * 5 >= (table.length - 1) * 3) table = resized(table, used > 50_000 ? used * 2 : used * 4);
  }
  return table.flatMap((entry) => (entry === undefined ? [] : [entry.tuple as T]));
}

/** The hash of a tuple of integers as an unsigned word. */
function tupleHash(tuple: readonly number[]): bigint {
  let hash = PRIME_5;
  for (const item of tuple) {
    hash = (hash + BigInt(item) * PRIME_2) & WORD;
    hash = ((hash << 31n) | (hash >> 33n)) & WORD;
    hash = (hash * PRIME_1) & WORD;
  }
  hash = (hash + (BigInt(tuple.length) ^ PRIME_5 ^ 3527539n)) & WORD;
  // CPython reserves -1 for errors.
  return hash === WORD ? 1546275796n : hash;
}

function insert(table: (Entry | undefined)[], entry: Entry): void {
  const mask = BigInt(table.length - 1);
  let perturb = entry.hash;
  let place = entry.hash & mask;
  for (;;) {
    const first = Number(place);
    const last = first + LINEAR_PROBES < table.length ? first + LINEAR_PROBES : first;
    for (let index = first; index <= last; index++) {
      if (table[index] === undefined) {
        table[index] = entry;
        return;
      }
    }
    perturb >>= 5n;
    place = (place * 5n + 1n + perturb) & mask;
  }
}

/** A table with more than `atLeast` places. */
function resized(table: readonly (Entry | undefined)[], atLeast: number): (Entry | undefined)[] {
  let length = 8;
  while (length <= atLeast) length *= 2;
  const larger = new Array<Entry | undefined>(length).fill(undefined);
  for (const entry of table) if (entry !== undefined) insert(larger, entry);
  return larger;
}
