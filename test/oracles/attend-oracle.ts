import { dot, exponential, f32 } from './f32-oracle.js';

/** A cache f32[slot, 2, kvHeads, headDim], and what is asked of it. */
export interface PagedAttention {
  readonly cache: readonly number[];
  readonly blockSize: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Positions that a token sees up to its own; 0: all. */
  readonly window: number;
  readonly scale: number;
}

const CHUNK = 64;

/** What one head of a token at `position` gets: an online softmax over chunks of 64 positions, each at a multiple of 64. */
export function attendToken(
  { cache, blockSize, heads, kvHeads, headDim, window, scale }: PagedAttention,
  blocks: readonly number[],
  query: readonly number[],
  position: number,
  head: number,
): number[] {
  const kvHead = Math.floor(head / (heads / kvHeads));
  const placeOf = (at: number, which: 0 | 1): number => {
    const slot = (blocks[Math.floor(at / blockSize)] ?? 0) * blockSize + (at % blockSize);
    return ((slot * 2 + which) * kvHeads + kvHead) * headDim;
  };
  const first = window === 0 ? 0 : Math.max(0, position - window + 1);
  let [highest, total] = [-Infinity, 0];
  const sums = new Float32Array(headDim);
  for (let chunk = Math.floor(first / CHUNK); chunk * CHUNK <= position; chunk++) {
    const seen: number[] = [];
    for (let at = chunk * CHUNK; at < (chunk + 1) * CHUNK; at++) if (at >= first && at <= position) seen.push(at);
    const scores = seen.map((at) => f32(dot(query, cache, headDim, 0, placeOf(at, 0)) * scale));
    const before = highest;
    highest = Math.max(highest, ...scores);
    const shrink = exponential(f32(before - highest));
    total = f32(total * shrink);
    for (let d = 0; d < headDim; d++) sums[d] = (sums[d] ?? 0) * shrink;
    for (const [index, at] of seen.entries()) {
      const share = exponential(f32((scores[index] ?? 0) - highest));
      total = f32(total + share);
      const value = placeOf(at, 1);
      for (let d = 0; d < headDim; d++) sums[d] = (sums[d] ?? 0) + f32(share * (cache[value + d] ?? 0));
    }
  }
  return Array.from(sums, (sum) => f32(sum / total));
}
