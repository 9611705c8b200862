import type { ForwardBatch, Row } from '../batch/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Chunk, RankSchedule } from '../workload/index.js';

/** A chunk of the open step in the planner, and its token ids: i32[queryLen]. */
export interface PlacedChunk {
  readonly chunk: Chunk;
  readonly row: Row;
  readonly ids: Int32Array;
}

/** Rows of a scheduler's requests in a planner, and the open step's chunks in the order of its tensors. */
export class EngineRows {
  readonly #planner: StepPlanner;
  /** By number of the scheduler. */
  readonly #rows: (Row | undefined)[] = [];
  /** By row of the planner. */
  readonly #chunks: (PlacedChunk | undefined)[] = [];

  constructor(planner: StepPlanner) {
    this.#planner = planner;
  }

  /** Applies a schedule's edits and schedules its chunks, whose ids `idsOf` gives. */
  apply(schedule: RankSchedule, idsOf: (chunk: Chunk) => Int32Array): void {
    const { requests } = this.#planner;
    for (const number of schedule.removed) {
      requests.remove(this.#row(number));
      this.#rows[number] = undefined;
    }
    for (const { request, blockIds, numComputedTokens } of schedule.added) {
      this.#rows[request] = requests.add({ blockIds, numComputedTokens });
    }
    for (const { request, blockIds } of schedule.appended) requests.appendBlocks(this.#row(request), blockIds);
    this.#chunks.fill(undefined);
    for (const chunk of schedule.scheduled) {
      const { request, phase, queryLen, lastChunk } = chunk;
      const row = this.#row(request);
      const ids = idsOf(chunk);
      this.#chunks[row] = { chunk, row, ids };
      requests.schedule(row, { phase, queryLen, lastChunk, inputIds: ids });
    }
  }

  /** The built step's chunks, in the order of its rows, which is that of its logits. */
  *placed(local: ForwardBatch): Generator<PlacedChunk, void, void> {
    for (let index = 0; index < local.rows; index++) {
      const row = local.order[index];
      const placed = row < 0 ? undefined : this.#chunks[row];
      if (placed !== undefined) yield placed;
    }
  }

  /** The open step's chunk of a row, and its ids; undefined where it has none. */
  chunkAt(row: Row): PlacedChunk | undefined {
    return this.#chunks[row];
  }

  /** So many more tokens of a request are computed than was known, if it still has that row. */
  advanceLate(number: number, row: Row, tokens: number): void {
    if (tokens > 0 && this.#rows[number] === row) this.#planner.requests.advance(row, tokens);
  }

  /** After the step: so many tokens of a chunk are computed. */
  advance({ row }: PlacedChunk, tokens: number): void {
    this.#planner.requests.advance(row, tokens);
  }

  #row(number: number): Row {
    const row = this.#rows[number];
    if (row === undefined) throw new RangeError(`request ${number} has no row`);
    return row;
  }
}
