import { expect, it } from 'vitest';
import type { ForwardBatchValue, Limits, Row } from '../../../dist/entry/planner.js';
import { createPlanner, decodePlan, type StepPlanner } from '../../../dist/entry/planner.js';
import { generateWorkload, SchedulerModel } from '../../../dist/entry/workload.js';
import { completeRunOptions } from '../../../dist/run/complete-options.js';
import { KvLedger } from '../../../dist/run/kv-ledger.js';
import { RequestRows } from '../../../dist/run/request-rows.js';
import type { RankSchedule } from '../../../dist/workload/index.js';
import { policyWith } from '../../support/planner-setup.js';

const limits: Partial<Limits> = {
  maxNumSeqs: 12,
  maxNumBatchedTokens: 64,
  maxModelLen: 256,
  blockSize: 4,
  numBlocks: 60,
};

/** The same edits in their plainest form: every request advanced and scheduled by itself, with the ids of its tokens. */
class PlainRows {
  readonly #planner: StepPlanner;
  readonly #ledger: KvLedger;
  readonly #rows = new Map<number, Row>();

  constructor(planner: StepPlanner, ledger: KvLedger) {
    this.#planner = planner;
    this.#ledger = ledger;
  }

  apply(schedule: RankSchedule, step: number): void {
    const { requests } = this.#planner;
    for (const request of schedule.removed) requests.remove(this.row(request));
    for (const { request, ...rest } of schedule.added) {
      this.#rows.set(request, requests.add(rest));
      this.#ledger.add(request, rest.numComputedTokens);
    }
    for (const { request, blockIds } of schedule.appended) requests.appendBlocks(this.row(request), blockIds);
    for (const chunk of schedule.scheduled) {
      const { phase, start, queryLen, lastChunk } = chunk;
      this.#ledger.write(chunk, step);
      const inputIds = this.#ledger.history(chunk.request).subarray(start, start + queryLen);
      requests.schedule(this.row(chunk.request), { phase, queryLen, lastChunk, inputIds });
    }
  }

  advance(schedule: RankSchedule): void {
    for (const { request, advance } of schedule.scheduled) this.#planner.requests.advance(this.row(request), advance);
  }

  row(request: number): Row {
    return this.#rows.get(request) as Row;
  }
}

function takeStep(planner: StepPlanner, supply: RequestRows | undefined): ForwardBatchValue {
  planner.vote();
  const local = planner.build(planner.resolve(planner.table));
  supply?.supply(local);
  return local.snapshot();
}

it.each([
  ['decodes of one token', 1, 1],
  ['decodes of one token in two parts', 1, 2],
  ['drafts', 3, 1],
  ['drafts in two parts', 3, 2],
])('continued %s hold what requests scheduled one by one hold, ids included', async (_name, queryLen, ubatches) => {
  const requests = generateWorkload({
    ...{ requests: 40, seed: 5, requestsPerSecond: 60 },
    inputTokens: { median: 20, max: 60 },
    outputTokens: { median: 30, min: 1, max: 80 },
  });
  const { scheduler } = completeRunOptions({ limits: { ...limits, queryLen }, acceptRate: 0.6 });
  const policy = policyWith({ ubatches, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 8 });
  const options = { limits: { ...limits, queryLen }, policy };
  const { keys } = decodePlan({ sizes: [4 * queryLen, 12 * queryLen], limits: { maxNumSeqs: 12, queryLen }, policy });
  const plain = await createPlanner({ ...options, plan: { keys } });
  const planner = await createPlanner({ ...options, plan: { keys }, deviceSupplied: ['inputIds'], poison: true });
  const rows = new RequestRows(planner, new KvLedger(requests));
  const plainRows = new PlainRows(plain, new KvLedger(requests));
  const model = new SchedulerModel(requests, scheduler);
  let continued = 0;
  const { continueDecodes } = planner.requests;
  planner.requests.continueDecodes = () => {
    const count = continueDecodes.call(planner.requests);
    continued += count;
    return count;
  };
  let decodes = 0;
  let cut = 0;
  for (let schedule = model.next(); schedule !== null; schedule = model.next()) {
    const [mine] = schedule.ranks;
    rows.apply(mine, schedule.step);
    const found = takeStep(planner, rows);
    plainRows.apply(rows.inOrder(mine, planner.local), schedule.step);
    expect(found).toEqual(takeStep(plain, undefined));
    decodes += mine.scheduled.filter(({ phase }) => phase === 'decode').length;
    cut += found.partTensors.length;
    for (const each of [rows, plainRows]) each.advance(mine);
    model.complete();
  }
  expect(model.stats.preemptions).toBeGreaterThan(0);
  expect(cut > 0).toBe(ubatches > 1);
  // Nearly all decodes of one token go on; those of drafts only where every request has one left to generate.
  if (queryLen === 1) expect(continued / decodes).toBeGreaterThan(0.9);
});
