// Access to the int32 words of votes, decisions, policies and keys. Addresses are byte offsets in the shared memory.
import { CONFIG_BASE, CONFIG_REGIONS, Region } from './layout';

export function get(at: usize, word: i32): i32 {
  return load<i32>(at + ((<usize>word) << 2));
}

export function set(at: usize, word: i32, value: i32): void {
  store<i32>(at + ((<usize>word) << 2), value);
}

/** Sets `words` words to 0, a multiple of 4 of them. 16 bytes per iteration: V8 inserts a stack check in each. */
export function clear(at: usize, words: i32): void {
  const end = at + ((<usize>words) << 2);
  for (; at < end; at += 16) v128.store(at, i64x2.splat(0));
}

/** Copies `words` words, a multiple of 16 of them. For so few as a row of votes it is quicker than memory.copy, which is a call. */
export function copy(to: usize, from: usize, words: i32): void {
  const end = from + ((<usize>words) << 2);
  for (; from < end; from += 64, to += 64) {
    v128.store(to, v128.load(from));
    v128.store(to, v128.load(from, 16), 16);
    v128.store(to, v128.load(from, 32), 32);
    v128.store(to, v128.load(from, 48), 48);
  }
}

/** Whether `words` words, a multiple of 4 of them, are equal in both places. */
export function sameWords(at: usize, other: usize, words: i32): boolean {
  let differs = i64x2.splat(0);
  const end = at + ((<usize>words) << 2);
  for (; at < end; at += 16, other += 16) {
    differs = v128.or(differs, v128.xor(v128.load(at), v128.load(other)));
  }
  return !v128.any_true(differs);
}

/** A limit that the planner was created with: a word of `Limit`. */
export function limit(word: i32): i32 {
  return get(CONFIG_BASE, word);
}

/** Address of a region of the planner's memory: an index of `Region`. */
export function region(index: i32): usize {
  return <usize>(<u32>get(CONFIG_BASE, CONFIG_REGIONS + index));
}

/** A choice of the policy that all ranks share: a word of `Policy`. */
export function policy(word: i32): i32 {
  return get(region(Region.Policy), word);
}

/** Next multiple of `unit` (>= 1), most often 1: a division takes as long as ten other instructions. */
export function roundUp(value: i32, unit: i32): i32 {
  if (unit == 1) return value;
  return ((value + unit - 1) / unit) * unit;
}
