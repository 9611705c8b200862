import type { ForwardBatch, Row } from '../batch/index.js';
import type { StepPlanner } from '../planner/index.js';
import type { Chunk, RankSchedule } from '../workload/index.js';
import type { RunLedger } from './run-ledger.js';

/**
 * Rows of a scheduler's requests in a planner, and the edits that a schedule makes of them. Prompts are given to the planner;
 * the ids of decodes are supplied when the step is built, as tokens that a device has sampled would be.
 */
export class RequestRows {
  readonly #planner: StepPlanner;
  readonly #ledger: RunLedger;
  readonly #rows = new Map<number, Row>();
  /** Requests whose decode of one token has run and is not advanced yet: all decodes of the last step, or none. */
  readonly #decoded: number[] = [];
  /** The step's chunks, decodes first, and the chunk of each row. */
  #chunks: readonly Chunk[] = [];
  readonly #chunkOfRow: (Chunk | undefined)[] = [];

  /** The planner leaves the ids of tokens to the device: `deviceSupplied: ['inputIds']`. */
  constructor(planner: StepPlanner, ledger: RunLedger) {
    this.#planner = planner;
    this.#ledger = ledger;
  }

  /** Applies the edits of `schedule` to the batch and schedules its chunks. */
  apply(schedule: RankSchedule, step: number): void {
    const { requests } = this.#planner;
    for (const request of schedule.removed) {
      requests.remove(this.#row(request));
      this.#rows.delete(request);
      this.#ledger.remove(request);
      const decoded = this.#decoded.indexOf(request);
      if (decoded >= 0) this.#decoded.splice(decoded, 1);
    }
    for (const { request, blockIds, numComputedTokens } of schedule.added) {
      this.#rows.set(request, requests.add({ blockIds, numComputedTokens }));
      this.#ledger.add(request, numComputedTokens);
    }
    for (const { request, blockIds } of schedule.appended) requests.appendBlocks(this.#row(request), blockIds);
    this.#chunks = schedule.scheduled;
    this.#chunkOfRow.fill(undefined);
    const continued = this.#continue();
    for (let index = 0; index < this.#chunks.length; index++) {
      const chunk = this.#chunks[index];
      const row = this.#row(chunk.request);
      this.#chunkOfRow[row] = chunk;
      this.#ledger.write(chunk, step);
      if (index < continued) continue;
      const { request, phase, start, queryLen, lastChunk } = chunk;
      const ids =
        phase === 'prefill' ? { inputIds: this.#ledger.history(request).subarray(start, start + queryLen) } : {};
      requests.schedule(row, { phase, queryLen, lastChunk, ...ids });
    }
  }

  /**
   * The ids of a built step's tokens, in the whole batch and in each part: those that the planner was given, and those of decodes, but for
   * decodes that the device `fills`.
   */
  supply(local: ForwardBatch, fills: (chunk: Chunk, row: Row) => boolean = () => false): void {
    const { tensors, writtenTensors, decodeRequests, order } = local;
    const { inputIds, queryStartLoc } = tensors;
    copyIds(writtenTensors.inputIds, inputIds, local.paddedTokens);
    for (let request = 0; request < decodeRequests; request++) {
      const row = order[request] as Row;
      const chunk = this.#chunk(row);
      const { request: id, start, queryLen } = chunk;
      const history = this.#ledger.history(id);
      const at = queryStartLoc[request];
      if (fills(chunk, row)) inputIds.fill(UNSEEN, at, at + queryLen);
      else for (let token = 0; token < queryLen; token++) inputIds[at + token] = history[start + token];
    }
    const decodeTokens = queryStartLoc[decodeRequests];
    for (let index = 0; local.partCount > 1 && index < local.partCount; index++) {
      const { paddedTokens, tokens } = local.part(index);
      const part = local.partTensors[index].inputIds;
      copyIds(local.writtenPartTensors[index].inputIds, part, paddedTokens);
      for (let token = tokens[0]; token < Math.min(tokens[1], decodeTokens); token++) {
        part[token - tokens[0]] = inputIds[token];
      }
    }
  }

  /** The schedule with its chunks in the order of the planner's rows, which is not that in which they were scheduled where requests left. */
  inOrder(schedule: RankSchedule, { order, rows }: ForwardBatch): RankSchedule {
    const scheduled: Chunk[] = [];
    for (let row = 0; row < rows; row++) if (order[row] >= 0) scheduled.push(this.#chunk(order[row]));
    return { ...schedule, scheduled };
  }

  /** After the step: advances every scheduled request by its chunk. */
  advance(schedule: RankSchedule): void {
    const single = schedule.scheduled.every(({ phase, queryLen }) => phase === 'prefill' || queryLen === 1);
    for (const { request, phase, advance } of schedule.scheduled) {
      if (single && phase === 'decode') this.#decoded.push(request);
      else this.#planner.requests.advance(this.#row(request), advance);
    }
  }

  /** Continues the last step's decodes in one call, if all of them go on unchanged and in the same order. Returns how many. */
  #continue(): number {
    const { requests } = this.#planner;
    const decoded = this.#decoded;
    const count = decoded.length;
    const goesOn = decoded.every((request, index) => {
      const chunk: Chunk | undefined = this.#chunks[index];
      return chunk?.request === request && chunk.phase === 'decode' && chunk.queryLen === 1;
    });
    if (goesOn && count > 0) requests.continueDecodes();
    else for (const request of decoded) requests.advance(this.#row(request), 1);
    decoded.length = 0;
    return goesOn ? count : 0;
  }

  #chunk(row: number): Chunk {
    const chunk = this.#chunkOfRow[row];
    if (chunk === undefined) throw new RangeError(`row ${row} has no chunk in this step`);
    return chunk;
  }

  #row(request: number): Row {
    const row = this.#rows.get(request);
    if (row === undefined) throw new RangeError(`request ${request} has no row`);
    return row;
  }
}

/** In place of an id that the device fills in: no model has it. */
const UNSEEN = -1;

function copyIds(from: Int32Array, to: Int32Array, count: number): void {
  for (let token = 0; token < count; token++) to[token] = from[token];
}
