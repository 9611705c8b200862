import { type DecisionView, type ForwardBatch, type Row, StepPlanner } from '../../dist/entry/planner.js';
import {
  paddingRatio,
  RunCounters,
  type SimulateSummary,
  type StepLogLine,
  stepLogLine,
} from '../../dist/entry/run.js';
import { type RequestTable, SchedulerModel } from '../../dist/entry/workload.js';
import { loadModules } from '../../dist/memory/modules.js';
import { completeSimulateOptions, type SimulateOptions } from '../../dist/simulation/index.js';

/** What the plainest way to run a workload comes to. */
export interface PlainRun {
  readonly lines: StepLogLine[];
  readonly counts: Pick<
    SimulateSummary,
    | 'steps'
    | 'reasons'
    | 'paddingRatio'
    | 'paddingRatioLargest'
    | 'paddingRatioAll'
    | 'tokens'
    | 'preemptions'
    | 'timeRatio'
  > &
    Record<string, unknown>;
}

/** One planner a rank, and every step of the scheduler model on each of them: edits, vote, gather, resolve, build. */
export async function runPlainly(requests: RequestTable, options: SimulateOptions): Promise<PlainRun> {
  const { limits, policy, plan, ranks, scheduler } = completeSimulateOptions(options);
  const modules = await loadModules();
  const all = Array.from({ length: ranks }, (_, rank) => ({
    planner: new StepPlanner(modules, { limits, policy, plan, rank, ranks }),
    rows: new Map<number, Row>(),
    counters: new RunCounters(),
  }));
  const model = new SchedulerModel(requests, scheduler);
  const lines: StepLogLine[] = [];
  let exact = 0;
  let padded = 0;
  for (let ended = false; !ended; ) {
    const schedule = model.next();
    ended = schedule === null;
    const table = new Int32Array(all[0].planner.table.length);
    for (const [rank, { planner, rows }] of all.entries()) {
      const { removed = [], added = [], appended = [], scheduled = [] } = schedule?.ranks[rank] ?? {};
      const rowOf = (request: number): Row => rows.get(request) as Row;
      for (const request of removed) {
        planner.requests.remove(rowOf(request));
        rows.delete(request);
      }
      for (const { request, ...rest } of added) rows.set(request, planner.requests.add(rest));
      for (const { request, blockIds } of appended) planner.requests.appendBlocks(rowOf(request), blockIds);
      for (const { request, phase, queryLen, lastChunk } of scheduled) {
        planner.requests.schedule(rowOf(request), { phase, queryLen, lastChunk });
      }
      table.set(planner.vote({ leave: ended }), rank * planner.row.length);
    }
    let decision: DecisionView | undefined;
    for (const [rank, { planner, rows, counters }] of all.entries()) {
      decision = planner.resolve(table);
      const local: ForwardBatch = planner.build(decision);
      counters.count(decision, local);
      for (const { request, advance } of schedule?.ranks[rank]?.scheduled ?? []) {
        planner.requests.advance(rows.get(request) as Row, advance);
      }
    }
    const { decision: first } = all[0].planner;
    if (first.run === 'full' || first.run === 'piecewise') {
      exact += first.maxTokens;
      padded += first.paddedTokens;
    }
    const width = table.length / ranks;
    const votes = all.map((_, rank) => table.subarray(rank * width, (rank + 1) * width));
    lines.push(stepLogLine(votes, first.snapshot()));
    if (!ended) model.complete();
  }
  const { clockMs, ...stats } = model.stats;
  return {
    lines,
    counts: {
      ...all[0].counters.decisions,
      ...stats,
      simulatedSeconds: clockMs / 1000,
      tokens: all.reduce((sum, { counters }) => sum + counters.tokens.tokens, 0),
      paddingRatio: paddingRatio(all.map(({ counters }) => counters.tokens)),
      paddingRatioLargest: exact === 0 ? 0 : (padded - exact) / exact,
      paddingRatioAll: paddingRatio(all.map(({ counters }) => counters.tokens)),
      timeRatio: exact === 0 ? 0 : padded / exact - 1,
    },
  };
}
