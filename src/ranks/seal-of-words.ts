/**
 * Checksum of so many words from `start`, an int32. Damage within one word always changes it: each word passes through a bijection of the sum so far.
 */
export function sealOfWords(words: Int32Array, start: number, count: number): number {
  let sum = 0x811c_9dc5;
  for (let word = start; word < start + count; word++) {
    sum = Math.imul(sum ^ (words[word] as number), 0x0100_0193);
    sum ^= sum >>> 15;
  }
  return sum | 0;
}
