import type { Row } from '../planner/requests.js';
import type { StepPlanner } from '../planner/step-planner.js';
import type { RankSchedule } from '../workload/index.js';
import type { KvLedger } from './kv-ledger.js';

/** Rows of a scheduler's requests in a planner, and the edits that a schedule makes of them. */
export class RequestRows {
  readonly #planner: StepPlanner;
  readonly #ledger: KvLedger;
  readonly #rows = new Map<number, Row>();

  constructor(planner: StepPlanner, ledger: KvLedger) {
    this.#planner = planner;
    this.#ledger = ledger;
  }

  /** Brings the batch up to `schedule` and schedules its chunks with the token ids they write. */
  apply(schedule: RankSchedule, step: number): void {
    const { requests } = this.#planner;
    for (const request of schedule.removed) {
      requests.remove(this.#row(request));
      this.#rows.delete(request);
      this.#ledger.remove(request);
    }
    for (const { request, blockIds, numComputedTokens } of schedule.added) {
      this.#rows.set(request, requests.add({ blockIds, numComputedTokens }));
      this.#ledger.add(request, numComputedTokens);
    }
    for (const { request, blockIds } of schedule.appended) requests.appendBlocks(this.#row(request), blockIds);
    for (const chunk of schedule.scheduled) {
      requests.schedule(this.#row(chunk.request), {
        phase: chunk.phase,
        queryLen: chunk.queryLen,
        lastChunk: chunk.lastChunk,
        inputIds: this.#ledger.write(chunk, step),
      });
    }
  }

  /** After the step: every scheduled request is as far as its chunk brought it. */
  advance(schedule: RankSchedule): void {
    for (const chunk of schedule.scheduled) this.#planner.requests.advance(this.#row(chunk.request), chunk.advance);
  }

  #row(request: number): Row {
    const row = this.#rows.get(request);
    if (row === undefined) throw new RangeError(`request ${request} has no row`);
    return row;
  }
}
