/** `low`, `low + step`, … up to `high`. */
export function steps(low: number, high: number, step: number): number[] {
  const sizes: number[] = [];
  for (let size = low; size <= high; size += step) sizes.push(size);
  return sizes;
}

/** Ascending, without repeats. */
export function ascending(sizes: Iterable<number>): number[] {
  return [...new Set(sizes)].sort((a, b) => a - b);
}

/** The least multiple of `unit` that is not below `value`. */
export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

/** The greatest multiple of `unit` that is not above `value`. */
export function roundDown(value: number, unit: number): number {
  return Math.floor(value / unit) * unit;
}

/** The greatest common divisor. */
export function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** Indices of the values that differ from the most frequent one; all of them if several are equally frequent: none is known to be right. */
export function outliers(values: readonly unknown[]): number[] {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const most = Math.max(...counts.values());
  const common = [...counts].filter(([, count]) => count === most);
  return [...values.keys()].filter((index) => common.length > 1 || values[index] !== common[0]?.[0]);
}

/** FNV-1a over integers, a step each: an int32. `from` is the hash of what came before. */
export function fnv1a(values: Iterable<number>, from: number = 2166136261 | 0): number {
  let hash = from;
  for (const value of values) hash = Math.imul(hash ^ value, 16777619);
  return hash;
}

/**
 * Mixes 32 bits so that each input bit flips each output bit with a chance near one half.
 * Source: Chris Wellons, "lowbias32" (hash-prospector).
 */
export function mix32(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/** u32 of three numbers, each taken as a safe integer; the order of the numbers matters. */
export function hash32(a: number, b: number, c: number): number {
  return hashOnto(hash2(a, b), c);
}

/** The part of `hash32` that its first two numbers make, for many third ones: hash32(a, b, c) = hashOnto(hash2(a, b), c). */
export function hash2(a: number, b: number): number {
  return hashOnto(hashOnto(0x9e3779b9, a), b);
}

/** u32 of a hash and one more number. */
export function hashOnto(state: number, value: number): number {
  const low = mix32(state ^ value);
  return value > 0xffffffff ? mix32(low + Math.floor(value / 0x100000000)) : mix32(low + 0x6d2b79f5);
}
