import type { DevicePlace } from '../device/index.js';
import type { Executor, ForwardPart, Lane } from '../execution/index.js';
import type { DecoderKernels } from './decoder-kernels.js';
import type { Shard } from './shard.js';

/**
 * Gathers the columns that each rank of a replica computed of the same rows, and puts them side by side. All ranks of the group take part in
 * the collective, since it is the group's; each takes its own replica's.
 */
export class ColumnJoin {
  /** Ranks of a replica. */
  readonly size: number;
  readonly #executor: Executor;
  readonly #kernels: DecoderKernels;

  constructor(executor: Executor, kernels: DecoderKernels, { size }: Shard) {
    this.size = size;
    this.#executor = executor;
    this.#kernels = kernels;
  }

  /** f32[rows, width] of each rank to f32[tokens, size * width]; what is given, where a replica is one rank. */
  *run(lane: Lane, part: ForwardPart, own: DevicePlace, width: number): Generator<string, DevicePlace, void> {
    const { size } = this;
    if (size === 1) return own;
    const { pool, collectives } = this.#executor;
    const { tokens, tokensPerRank } = part;
    const { rank } = collectives;
    const { stream } = lane;
    const rows = tokensPerRank[rank];
    const first = rank - (rank % size);
    const take = (elements: number): DevicePlace => pool.take(Math.max(1, elements) * 4);
    const send = rows > tokens ? this.#padded(lane, own, tokens, rows, width) : own;
    const total = tokensPerRank.reduce((sum, count) => sum + count, 0);
    const gathered = take(total * width);
    const counts = tokensPerRank.map((count) => count * width);
    lane.collective({ kind: 'all-gather', send, recv: gathered, counts });
    yield 'columns';
    const joined = take(Math.max(tokens, rows) * size * width);
    const before = counts.slice(0, first).reduce((sum, count) => sum + count, 0);
    const shards = offsetBy(gathered, before);
    stream.launch(this.#kernels.join_columns, [shards, joined, rows, size, width]);
    return joined;
  }

  /** The same rows followed by zeros. */
  #padded(lane: Lane, own: DevicePlace, tokens: number, rows: number, width: number): DevicePlace {
    const padded = this.#executor.pool.take(rows * width * 4);
    if (tokens > 0) lane.stream.copy(own, padded, tokens * width * 4);
    lane.stream.launch(this.#kernels.fill, [offsetBy(padded, tokens * width), 0, (rows - tokens) * width]);
    return padded;
  }
}

/** So many float32 further on. */
export function offsetBy(place: DevicePlace, elements: number): DevicePlace {
  if ('offset' in place) return { buffer: place.buffer, offset: place.offset + elements * 4 };
  return { buffer: place, offset: elements * 4 };
}
