// The keys in order: by kind, then variant, then the smallest first, so that a step finds its key by binary search.
import { keyAt, kindOf } from './keys';
import { Key, KeyKind, Limit, Region } from './layout';
import { get, limit, region, set } from './words';

/** Whether `key` is smaller: by tokens, then prefill slots, decode slots, and query lengths. Source: Megatron's batch dimensions. */
export function smaller(key: usize, other: usize): boolean {
  const tokens = get(key, Key.Tokens) - get(other, Key.Tokens);
  if (tokens != 0) return tokens < 0;
  const prefills = get(key, Key.PrefillRequests) - get(other, Key.PrefillRequests);
  if (prefills != 0) return prefills < 0;
  const decodes = get(key, Key.DecodeRequests) - get(other, Key.DecodeRequests);
  if (decodes != 0) return decodes < 0;
  const queryLen = get(key, Key.QueryLen) - get(other, Key.QueryLen);
  if (queryLen != 0) return queryLen < 0;
  return get(key, Key.MaxQueryLen) < get(other, Key.MaxQueryLen);
}

/** Index of the key at `place` in the order. */
export function keyInPlace(place: i32): i32 {
  return get(region(Region.KeyOrder), place);
}

/** Place of the first key of this kind and variant with at least `tokens` tokens, or the place where it would be. */
export function placeOf(kind: i32, variant: i32, tokens: i32): i32 {
  let low = placeOfKind(kind);
  let high = placeOfKind(kind + 1);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (liesBefore(keyAt(keyInPlace(middle)), variant, tokens)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Whether a key comes before those of its kind with this variant and so many tokens. */
function liesBefore(key: usize, variant: i32, tokens: i32): boolean {
  if (get(key, Key.Variant) != variant) return get(key, Key.Variant) < variant;
  return get(key, Key.Tokens) < tokens;
}

/** Place of the first key of this kind, or of a later kind if there is none. They stand after the order; the last is the number of keys. */
export function placeOfKind(kind: i32): i32 {
  return get(region(Region.KeyOrder), limit(Limit.NumKeys) + kind);
}

/** Sorts the indices of the keys, by heapsort, and writes where each kind begins. Equal keys stay in the order of the plan. */
export function sortKeys(): void {
  const order = region(Region.KeyOrder);
  const keys = limit(Limit.NumKeys);
  for (let index = 0; index < keys; index++) set(order, index, index);
  for (let root = (keys >> 1) - 1; root >= 0; root--) siftDown(order, root, keys);
  for (let last = keys - 1; last > 0; last--) {
    swap(order, 0, last);
    siftDown(order, 0, last);
  }
  let place = 0;
  for (let kind: i32 = KeyKind.Decode; kind <= KeyKind.Piecewise + 1; kind++) {
    while (place < keys && kindOf(keyAt(get(order, place))) < kind) place++;
    set(order, keys + kind, place);
  }
}

/** Moves the index at `root` down the heap of `size` indices, until none of its children comes later in the order. */
function siftDown(order: usize, root: i32, size: i32): void {
  for (let child = 2 * root + 1; child < size; child = 2 * root + 1) {
    if (child + 1 < size && precedes(get(order, child), get(order, child + 1))) child++;
    if (!precedes(get(order, root), get(order, child))) return;
    swap(order, root, child);
    root = child;
  }
}

/** Whether key `index` comes before key `other` in the order. */
function precedes(index: i32, other: i32): boolean {
  const key = keyAt(index);
  const otherKey = keyAt(other);
  if (kindOf(key) != kindOf(otherKey)) return kindOf(key) < kindOf(otherKey);
  if (get(key, Key.Variant) != get(otherKey, Key.Variant)) return get(key, Key.Variant) < get(otherKey, Key.Variant);
  if (smaller(key, otherKey)) return true;
  return !smaller(otherKey, key) && index < other;
}

function swap(order: usize, place: i32, other: i32): void {
  const index = get(order, place);
  set(order, place, get(order, other));
  set(order, other, index);
}
