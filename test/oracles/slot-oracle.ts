/** What a slot depends on besides the request. */
export interface KvGeometry {
  readonly blockSize: number;
  readonly contextParallelSize: number;
  readonly contextParallelRank: number;
  readonly interleaveSize: number;
}

/**
 * Slots of positions 0 to `length - 1` of a request on one rank: the positions this rank stores, taken in order, fill its
 * blocks in order; -1 where another rank stores the position. Ranks take `interleaveSize` positions in turn.
 */
export function slotsOf(blockIds: readonly number[], length: number, geometry: KvGeometry): bigint[] {
  const { blockSize, contextParallelSize, contextParallelRank, interleaveSize } = geometry;
  let stored = 0;
  return Array.from({ length }, (_, position) => {
    const owner = Math.floor(position / interleaveSize) % contextParallelSize;
    if (owner !== contextParallelRank) return -1n;
    const index = stored++;
    const block = blockIds[Math.floor(index / blockSize)];
    return BigInt(block) * BigInt(blockSize) + BigInt(index % blockSize);
  });
}
