import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Policy, StepPlanner } from '../../dist/entry/planner.js';
import { type StepLogLine, simulate, spanLines, stepRecord } from '../../dist/entry/run.js';
import { RequestTable, SchedulerModel } from '../../dist/entry/workload.js';
import { loadModules } from '../../dist/memory/modules.js';
import { type EngineEvent, type EngineRequest, leastLoaded, RankEngine, refusalOf } from '../../dist/service/index.js';
import { completeSimulateOptions, type SimulateOptions } from '../../dist/simulation/index.js';
import { rejectedDraftId, tokenId } from '../../dist/workload/index.js';
import { FULL_RUN, runs } from '../support/property-runs.js';
import { schedulerCases } from '../support/scheduler-cases.js';

/** How often the drawn traces did what makes a service hard. */
const seen = { lines: 0, preemptions: 0, reused: 0, accepted: 0, rejected: 0, stops: 0, ranks: new Set<number>() };

/** The lines that a simulation of the workload writes. */
async function simulated(table: RequestTable, options: SimulateOptions): Promise<StepLogLine[]> {
  const lines: StepLogLine[] = [];
  await simulate(table, options, { onSpan: (span) => void lines.push(...spanLines(span)) });
  return lines;
}

/**
 * The lines of rank engines that are told of arrivals when the model's clock says so, and of nothing else beforehand: a token
 * of a request is what its trace says, and `stops` requests hear of their end from a stop token.
 */
async function served(table: RequestTable, given: SimulateOptions, stops: boolean): Promise<StepLogLine[]> {
  const { limits, policy, plan, ranks, scheduler } = completeSimulateOptions(given);
  const modules = await loadModules();
  const clock = new SchedulerModel(table, scheduler);
  /** Drafts that the trace accepts of each request in the open step, and how many were proposed so far. */
  const accepted = new Map<number, number>();
  let attempts = 0;
  const drafter = (request: EngineRequest, count: number): number[] =>
    Array.from({ length: count }, (_, draft) => {
      const right = draft < (accepted.get(request.id) as number);
      const position = request.length + draft;
      return right ? tokenId(table, request.id, position) : rejectedDraftId(table, request.id, position, attempts++);
    });
  const all = Array.from({ length: ranks }, (_, rank) => {
    const planner = new StepPlanner(modules, { limits, policy, plan, rank, ranks, checked: false });
    return { planner, engine: new RankEngine({ planner, drafter }), events: [] as EngineEvent[] };
  });
  const said = new Map<number, number[]>();
  const lines: StepLogLine[] = [];
  let arrived = 0;
  for (let ended = false; !ended; ) {
    const schedule = clock.next();
    ended = schedule === null;
    for (; arrived < table.length; arrived++) {
      const { id, arrivalMs, inputTokens, outputTokens, hashIds } = table.get(arrived);
      if (arrivalMs / scheduler.speed > clock.stats.clockMs) break;
      const ids = Int32Array.from({ length: inputTokens }, (_, position) => tokenId(table, id, position));
      if (refusalOf(limits, { ids, maxTokens: outputTokens }) !== null) continue;
      const stop = stops && limits.queryLen === 1 && outputTokens > 0;
      const most = Math.min(limits.maxModelLen, (limits.numBlocks - 1) * limits.blockSize) - inputTokens;
      const loads = all.map(({ engine, events }) => ({
        waiting: engine.waiting + events.length,
        running: engine.running,
      }));
      all[leastLoaded(loads)].events.push({
        kind: 'arrive',
        request: {
          id,
          ids,
          maxTokens: stop ? most : outputTokens,
          controls: { temperature: 0, topK: 0, topP: 1, seed: BigInt(id) },
          stopTokenIds: stop ? [tokenId(table, id, inputTokens + outputTokens - 1)] : [],
          sharePrefix: hashIds !== null,
        },
      });
    }
    for (const { scheduled } of schedule?.ranks ?? []) {
      for (const { request, advance } of scheduled) accepted.set(request, advance - 1);
    }
    const tables = new Int32Array(all[0].planner.table.length);
    for (const [rank, { planner, engine, events }] of all.entries()) {
      engine.plan(events.splice(0));
      tables.set(planner.vote({ leave: ended }), rank * planner.row.length);
    }
    for (const { planner, engine } of all) {
      const local = planner.build(planner.resolve(tables));
      const rows = engine.rows(local);
      expect(rows.length).toBe(local.numLogits);
      const sampled = rows.map(({ controls, position }) => tokenId(table, Number(controls.seed), position));
      engine.accept(local, Int32Array.from(sampled));
      for (const { id, token } of engine.take()) if (token >= 0) said.set(id, [...(said.get(id) ?? []), token]);
    }
    lines.push(stepRecord(tables, all[0].planner.decision));
    if (!ended) clock.complete();
  }
  for (const { id, inputTokens, outputTokens } of table) {
    const ids = Int32Array.from({ length: inputTokens });
    const fits = refusalOf(limits, { ids, maxTokens: outputTokens }) === null;
    const expected = Array.from({ length: fits ? outputTokens : 0 }, (_, at) => tokenId(table, id, inputTokens + at));
    expect(said.get(id) ?? []).toEqual(expected);
  }
  for (const { engine, planner } of all) {
    expect([engine.running, engine.waiting, engine.freeBlocks]).toEqual([0, 0, limits.numBlocks - 1]);
    const { preemptions, reusedTokens, draftTokens, acceptedTokens } = engine.stats;
    seen.preemptions += preemptions;
    seen.reused += reusedTokens;
    seen.accepted += acceptedTokens;
    seen.rejected += draftTokens - acceptedTokens;
    planner.dispose();
  }
  seen.ranks.add(ranks);
  seen.stops += Number(stops);
  seen.lines += lines.length;
  return lines;
}

const policies = fc.constantFrom<Partial<Policy>>(
  {},
  {},
  { ubatches: 2, ubatchThresholdDecode: 4, ubatchThresholdPrefill: 40 },
);

it('rank engines that hear of requests as they come write the step log of a simulation that knew them all', async () => {
  await fc.assert(
    fc.asyncProperty(
      schedulerCases,
      policies,
      fc.integer({ min: 1, max: 4 }),
      fc.boolean(),
      async ({ rows, limits: some }, policy, ranks, stops) => {
        const { maxNumSeqs, blockSize, numBlocks, queryLen } = some;
        const maxNumBatchedTokens = Math.max(some.maxNumBatchedTokens, queryLen);
        const limits = {
          maxNumSeqs,
          maxNumBatchedTokens,
          blockSize,
          numBlocks,
          queryLen,
          maxModelLen: some.maxModelLen,
        };
        const { acceptRate, seed, speed, stepTime } = some;
        const options = {
          ranks,
          limits,
          policy,
          ladder: [1, 2, 4, 8, 16].map((size) => size * queryLen),
          acceptRate,
          seed,
          speed,
          stepTime,
        };
        const table = RequestTable.from(rows);
        expect(await served(table, options, stops)).toEqual(await simulated(table, options));
      },
    ),
    runs(200),
  );
  if (!FULL_RUN) return;
  expect(Math.min(seen.lines, seen.preemptions, seen.reused, seen.accepted, seen.rejected, seen.stops)).toBeGreaterThan(
    0,
  );
  expect(seen.ranks.size).toBeGreaterThan(1);
});
