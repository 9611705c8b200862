/** A copy of `array` with room for at least `length` elements, and for twice as many as before; the new ones are `fill`. */
export function grown<T extends Int32Array | Float64Array | Uint8Array>(array: T, length: number, fill = 0): T {
  const copy = new (array.constructor as new (length: number) => T)(Math.max(length, 2 * array.length));
  copy.set(array);
  if (fill !== 0) copy.fill(fill, array.length);
  return copy;
}
