import type { DevicePlace } from '../device/index.js';
import type { Executor, ForwardPart, Lane } from '../execution/index.js';
import type { DecoderKernels } from './decoder-kernels.js';
import type { Scratch } from './scratch.js';
import type { Shard } from './shard.js';

/** Columns that this rank computed of its rows: f32[rows, width]. */
export interface OwnColumns {
  readonly own: DevicePlace;
  readonly width: number;
  readonly scratch: Scratch;
  readonly name: string;
}

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

  /** f32[rows, width] of each rank to f32[tokens, size * width]; what is given, where a replica is one rank. `name` is of the scratch memory. */
  *run(lane: Lane, part: ForwardPart, { own, width, name, scratch }: OwnColumns): Generator<string, DevicePlace, void> {
    const { size } = this;
    if (size === 1) return own;
    const { collectives } = this.#executor;
    const { tokens, tokensPerRank } = part;
    const { rank } = collectives;
    const { stream } = lane;
    const rows = tokensPerRank[rank];
    const first = rank - (rank % size);
    const send =
      rows > tokens
        ? this.#padded(lane, own, tokens * width, scratch.take(`${name} sent`, rows * width), rows * width)
        : own;
    const total = tokensPerRank.reduce((sum, count) => sum + count, 0);
    const gathered = scratch.take(`${name} gathered`, total * width);
    const counts = tokensPerRank.map((count) => count * width);
    lane.collective({ kind: 'all-gather', send, recv: gathered, counts });
    yield 'columns';
    const joined = scratch.take(`${name} joined`, Math.max(tokens, rows) * size * width);
    const before = counts.slice(0, first).reduce((sum, count) => sum + count, 0);
    const shards = offsetBy(gathered, before);
    stream.launch(this.#kernels.join_columns, [shards, joined, rows, size, width]);
    return joined;
  }

  /** The same `elements` followed by zeros, in `padded`. */
  #padded(lane: Lane, own: DevicePlace, elements: number, padded: DevicePlace, all: number): DevicePlace {
    if (elements > 0) lane.stream.copy(own, padded, elements * 4);
    lane.stream.launch(this.#kernels.fill, [offsetBy(padded, elements), 0, all - elements]);
    return padded;
  }
}

/** So many float32 further on. */
export function offsetBy(place: DevicePlace, elements: number): DevicePlace {
  if ('offset' in place) return { buffer: place.buffer, offset: place.offset + elements * 4 };
  return { buffer: place, offset: elements * 4 };
}
