import type { ForwardBatch } from '../batch/index.js';
import { PROGRESS_MS, progressOf, type RunProgress, type StepTimeline } from '../counts/index.js';
import { type LogWriter, stepRecord } from '../formats/index.js';
import type { Rank } from '../runtime/index.js';
import { type RankSchedule, type RequestTable, type SchedulerLimits, SchedulerModel } from '../workload/index.js';
import type { RequestRows } from './request-rows.js';
import { RunCounters } from './run-counters.js';
import type { RunWork } from './run-work.js';

/** What one rank's steps are made with. */
export interface RunLoopParts {
  readonly rank: Rank;
  readonly rows: RequestRows;
  readonly work: RunWork;
  readonly table: RequestTable;
  readonly scheduler: SchedulerLimits;
  /** Processes of a replica, which compute the same batch. */
  readonly tensorParallelSize: number;
  readonly timeoutMs: number;
  readonly stepLog: LogWriter | null;
  readonly timeline: StepTimeline | null;
  readonly interrupted: () => boolean;
  readonly onProgress?: (progress: RunProgress) => void;
}

/** An empty batch, for ranks that only take part. */
const NOTHING: RankSchedule = Object.freeze({ removed: [], added: [], appended: [], scheduled: [] });

/** The steps of one rank over a workload. */
export class RunLoop {
  readonly counters: RunCounters = new RunCounters();
  readonly model: SchedulerModel;
  interrupted = false;
  /** Seconds that steps were waited for and checked. */
  checking = 0;
  readonly #parts: RunLoopParts;
  /** The replica whose batch this rank computes. */
  readonly #replica: number;
  #nextProgress = 0;

  constructor(parts: RunLoopParts) {
    this.#parts = parts;
    this.#replica = Math.floor(parts.rank.planner.rank / parts.tensorParallelSize);
    this.model = new SchedulerModel(parts.table, parts.scheduler);
  }

  /** Serves all requests, or what there is until the ranks agree to leave. */
  run(): void {
    const { rank, rows, work, stepLog, timeline } = this.#parts;
    // What checks the step before, where steps are planned ahead.
    let before: (() => void) | null = null;
    for (;;) {
      // An interrupted rank takes part with an empty batch until every rank has seen the interrupt and votes to leave.
      if (!this.interrupted && this.#parts.interrupted()) this.interrupted = true;
      const schedule = this.interrupted ? null : this.model.next();
      const mine = schedule?.ranks[this.#replica] ?? NOTHING;
      rows.apply(mine, rank.planner.step);
      const { decision, local } = rank.stepSync({ leave: schedule === null });
      this.counters.count(decision, local);
      if (stepLog?.write(stepRecord(rank.planner.table, decision)) === true) stepLog.flushSync();
      timeline?.addStep(decision, rank.planner.table);
      const ordered = decision.run === 'park' ? null : rows.inOrder(mine, local);
      // Its sampling is enqueued before the step before is waited for.
      const launched = ordered === null ? null : (work.launch?.(ordered, local, decision.step) ?? null);
      const start = performance.now();
      before?.();
      before = launched;
      if (ordered !== null && launched === null) this.#check(ordered, local, decision.step);
      this.checking += (performance.now() - start) / 1000;
      if (decision.leave) return;
      rows.advance(mine);
      if (schedule !== null) this.model.complete();
      this.#progress();
    }
  }

  #check(schedule: RankSchedule, local: ForwardBatch, step: number): void {
    const { work, rank, timeoutMs } = this.#parts;
    work.check(schedule, local, step);
    rank.executor.stream.synchronizeSync({ timeoutMs });
  }

  #progress(): void {
    const { rank, onProgress } = this.#parts;
    const now = performance.now();
    if (onProgress === undefined || rank.planner.rank !== 0 || now < this.#nextProgress) return;
    this.#nextProgress = now + PROGRESS_MS;
    onProgress(progressOf(this.counters, this.model.stats, this.model.table.length));
  }
}
