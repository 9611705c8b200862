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
